"""What a model says of a file: what an image shows, what a long text is about."""

import asyncio

from chat.attachments import looks_at
from chat.models import FileAttachment
from integrations.llm import registry
from integrations.llm.delimited import as_data
from integrations.llm.map_reduce import MERGE, Calls, summarise
from integrations.llm.messages import FilePart, Message, TextPart, text_message
from integrations.llm.splitting import map_budget
from integrations.llm.tokens import bytes_per_token, estimate_tokens
from llmconfig.asking import complete_task, run_asking
from llmconfig.metering import Ledger, Purpose
from llmconfig.models import LLMModel, Task
from llmconfig.prompts import ActivePrompt, active_prompt
from llmconfig.services import candidates, find_default

IMAGE_SECONDS, TEXT_SECONDS = 60, 110  # together with the reading less than a task may take


def describe_image(file: FileAttachment, data: bytes) -> str:
    """What the image shows, in words; empty if no model here looks at images of this kind and size.

    Raises an `LLMError` or `TimeoutError`.
    """
    model = find_default(prompt_type=Task.IMAGE_CAPTION)
    if model is None or not looks_at(model, file):
        return ""
    prompt = active_prompt(prompt_type=Task.IMAGE_CAPTION)
    parts = TextPart(as_data("file_name", file.filename)), FilePart(file.file_type, file.filename, data=data)
    messages = text_message("system", prompt.text), Message("user", parts)
    models = candidates(prompt_type=Task.IMAGE_CAPTION, chosen=model)

    async def ask(ledger: Ledger) -> str:
        async with asyncio.timeout(IMAGE_SECONDS):
            answer = await complete_task(_purpose(Task.IMAGE_CAPTION, file, prompt), models, messages, ledger)
        return answer.text.strip()

    return run_asking(models, ask)


def summarise_text(file: FileAttachment, text: str) -> str:
    """A few sentences, however long the text is; empty if no model here can.

    Raises an `LLMError` or `TimeoutError`.
    """
    model = find_default(prompt_type=Task.DOCUMENT_SUMMARY)
    if model is None or not registry.can_read(model.provider):
        return ""
    prompt = active_prompt(prompt_type=Task.DOCUMENT_SUMMARY)
    models = candidates(prompt_type=Task.DOCUMENT_SUMMARY, chosen=model)
    budget = _budget(models, prompt.text, text)
    if not budget:
        return ""

    async def work(ledger: Ledger) -> str:
        async def ask(system: str, question: str, tokens: int) -> str:
            messages = text_message("system", system), text_message("user", question)
            return (await complete_task(purpose, models, messages, ledger, max_output_tokens=tokens)).text

        async with asyncio.timeout(TEXT_SECONDS):
            return await summarise(text, calls=Calls(ask), system=prompt.text, budget=budget)

    purpose = _purpose(Task.DOCUMENT_SUMMARY, file, prompt)
    return run_asking(models, work)


def _purpose(task: Task, file: FileAttachment, prompt: ActivePrompt) -> Purpose:
    return Purpose(
        task,
        user_id=file.uploaded_by_user_id,
        conversation_id=file.conversation_id,
        prompt_version=prompt.version,
    )


def _budget(models: list[LLMModel], system: str, text: str) -> int:
    """Bytes of a piece of `text` that each of the models can take."""
    system_tokens, instruction_tokens = estimate_tokens(system), estimate_tokens(MERGE)
    return min(
        map_budget(
            model.context_window_tokens, system_tokens, instruction_tokens, bytes_per_token(text, model.model_id)
        )
        for model in models
    )
