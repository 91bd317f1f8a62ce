"""What the API's document shows of models, defaults and prompts."""

from collections.abc import Mapping

from config.api.operation import Operation

MODEL = {
    "id": "gpt-4o",
    "provider": "openai",
    "label": "GPT-4o",
    "supports_images": True,
    "supports_pdfs": True,
    "context_window_tokens": 128_000,
    "configured": True,
}
NAME = {"llm_provider": "openai", "llm_model": "gpt-4o"}
PROMPT = {
    "system_prompt": "You help to refine a project draft.\n\n{{project_draft}}",
    "is_default": False,
    "version": 3,
}
VERSION = {
    "version": 3,
    "system_prompt": PROMPT["system_prompt"],
    "note": "Shorter answers",
    "is_active": True,
    "created_at": "2026-11-19T14:21:08.553120+00:00",
    "created_by_user_name": "Ada Lovelace",
}
TOTALS = {
    "calls": 4,
    "failed": 0,
    "input_tokens": 5210,
    "cached_tokens": 1024,
    "output_tokens": 1893,
    "cost_usd": 0.0312,
    "cost_unknown": 0,
}
UNKNOWN_TASK = {400: ["invalid_prompt_type"]}
NO_PROMPT = {400: ["invalid_prompt_type", "empty_prompt_type"]}
UNKNOWN_MODEL = {422: ["unknown_model", "provider_not_configured", "unfit_model"]}
"""The refusals of a model that a request names."""

OPERATIONS: Mapping[str, Operation] = {
    "llm_default_providers": Operation(answer={"providers": {"anthropic": [], "grok": [], "openai": [MODEL]}}),
    "llm_default_retrieve": Operation(answer={"current_default": NAME}, codes=UNKNOWN_TASK),
    "llm_default_update": Operation(
        description="For those who may change the default models: the operators, and whom they have given it.",
        request=NAME,
        answer={"message": "Draft chat now uses gpt-4o.", "updated_default": NAME},
        codes={400: ["invalid_prompt_type", "unsupported_provider", "unsupported_model"], 422: ["unfit_model"]},
    ),
    "llm_prompt_retrieve": Operation(answer=PROMPT, codes={400: ["empty_prompt_type"]}),
    "llm_prompt_built_in": Operation(
        answer=PROMPT | {"is_default": True, "version": 0}, codes={400: ["empty_prompt_type"]}
    ),
    "llm_prompt_create": Operation(
        description="For those who may change prompts. `warnings` names placeholders that the task does not know, or "
        "that it needs and the text lacks; the text is in production all the same.",
        request={"prompt_type": "project_draft_chat", "system_prompt": PROMPT["system_prompt"], "note": "Shorter"},
        answer=PROMPT
        | {
            "warnings": [
                {
                    "code": "unknown_placeholder",
                    "name": "projekt",
                    "detail": "There is no placeholder {{projekt}}: it stays as it is.",
                }
            ]
        },
        codes={400: [*NO_PROMPT[400], "mismatched_prompt_type"]},
    ),
    "llm_prompt_destroy": Operation(answer={"message": "The built-in prompt is in production."}, codes=NO_PROMPT),
    "llm_prompt_versions": Operation(answer={"versions": [VERSION]}, codes=NO_PROMPT),
    "llm_prompt_activate": Operation(answer=PROMPT, codes=NO_PROMPT),
}
