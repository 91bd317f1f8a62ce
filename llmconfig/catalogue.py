"""The models every installation starts with, in the order in which lists show them (contract.md 4.2).

Columns: provider, id, label, context window in tokens, takes images, takes PDFs.
"""

CATALOGUE: tuple[tuple[str, str, str, int, bool, bool], ...] = (
    ("anthropic", "claude-3-opus-20240229", "Claude Opus 3", 200_000, True, False),
    ("anthropic", "claude-opus-4-20250514", "Claude Opus 4", 200_000, True, True),
    ("anthropic", "claude-opus-4-1-20250805", "Claude Opus 4.1", 200_000, True, True),
    ("anthropic", "claude-3-haiku-20240307", "Claude Haiku 3", 200_000, True, False),
    ("anthropic", "claude-3-5-haiku-20241022", "Claude Haiku 3.5", 200_000, True, True),
    ("anthropic", "claude-3-7-sonnet-20250219", "Claude Sonnet 3.7", 200_000, True, True),
    ("anthropic", "claude-sonnet-4-20250514", "Claude Sonnet 4", 200_000, True, True),
    ("grok", "grok-code-fast-1", "Grok Code Fast 1", 256_000, False, True),
    ("grok", "grok-4-0709", "Grok 4 0709", 256_000, True, True),
    ("grok", "grok-3", "Grok 3", 131_000, False, True),
    ("grok", "grok-3-mini", "Grok 3 Mini", 131_000, False, True),
    ("openai", "gpt-3.5-turbo", "GPT-3.5 Turbo", 4_096, False, True),
    ("openai", "gpt-4o", "GPT-4o", 128_000, True, True),
    ("openai", "gpt-4o-mini", "GPT-4o Mini", 128_000, True, True),
    ("openai", "gpt-4", "GPT-4", 8_192, False, True),
    ("openai", "gpt-4-turbo", "GPT-4 Turbo", 128_000, True, True),
    ("openai", "gpt-4.1", "GPT-4.1", 1_000_000, True, True),
    ("openai", "gpt-4.1-mini", "GPT-4.1 Mini", 1_000_000, True, True),
    ("openai", "gpt-4.1-nano", "GPT-4.1 Nano", 1_000_000, True, True),
    ("openai", "gpt-5", "GPT-5", 400_000, True, True),
    ("openai", "gpt-5-nano", "GPT-5 Nano", 400_000, True, True),
    ("openai", "gpt-5-mini", "GPT-5 Mini", 400_000, True, True),
    ("openai", "o1", "o1", 200_000, True, True),
    ("openai", "o1-pro", "o1 Pro", 200_000, True, True),
    ("openai", "o3", "o3", 200_000, True, True),
    ("openai", "o3-mini", "o3 Mini", 200_000, False, True),
    ("openai", "o3-pro", "o3 Pro", 200_000, True, True),
    ("demo", "demo-1", "Demo (no key needed)", 32_000, False, False),
)

REASONING_MODELS = frozenset({"gpt-5", "gpt-5-nano", "gpt-5-mini", "o1", "o1-pro", "o3", "o3-mini", "o3-pro"})
"""OpenAI's models that take `max_completion_tokens` in place of `max_tokens` (contract.md 4.3)."""

RESPONSES_MODELS = REASONING_MODELS
"""Those asked through the Responses API (contract.md 4.3; what it asks either way there, is asked one way here)."""

THINKING: tuple[tuple[str, str], ...] = (
    *(("openai", model_id) for model_id in sorted(REASONING_MODELS)),
    ("grok", "grok-4-0709"),
    ("grok", "grok-3-mini"),
    ("grok", "grok-code-fast-1"),
)
"""Those whose thinking counts as output."""

REASONING_OUTPUT_TOKENS = 16_384
"""What an answer may have of a model whose thinking counts as output: ours, many times the visible cap."""

ALIASES: dict[tuple[str, str], tuple[str, ...]] = {
    ("anthropic", "claude-3-opus-20240229"): ("claude-3-opus",),
    ("anthropic", "claude-opus-4-20250514"): ("claude-opus-4", "claude-opus-4-0"),
    ("anthropic", "claude-opus-4-1-20250805"): ("claude-opus-4-1", "claude-opus-4.1"),
    ("anthropic", "claude-3-haiku-20240307"): ("claude-3-haiku",),
    ("anthropic", "claude-3-5-haiku-20241022"): ("claude-3.5-haiku", "claude-3-5-haiku"),
    ("anthropic", "claude-3-7-sonnet-20250219"): ("claude-3.7-sonnet", "claude-3-7-sonnet"),
    ("anthropic", "claude-sonnet-4-20250514"): ("claude-sonnet-4", "claude-sonnet-4-0"),
    ("grok", "grok-4-0709"): ("grok-4",),
}
"""The short names by which backend_architecture.md speaks of models, and the vendors' own."""

EMBEDDERS: tuple[tuple[str, str, str, int], ...] = (
    ("openai", "text-embedding-3-small", "Text Embedding 3 Small", 8_191),
    ("offline", "wordllama-256", "Offline (no key needed)", 1_000_000),
)
"""Provider, id, label, tokens of one text; the second runs in this process and bears any length."""

FREE: tuple[tuple[str, str], ...] = (("demo", "demo-1"), ("offline", "wordllama-256"))
"""What runs in this process and costs nothing. No other price is known here: operators enter what they pay."""
