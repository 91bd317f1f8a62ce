"""What every importer gives: one `ImportedChat`, or an `ImporterError`. Pure values, free of Django models."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from config.exceptions import Invalid

Role = Literal["user", "assistant"]

SOURCES = (
    *("chatgpt", "claude", "gemini", "grok", "deepseek", "branchprompt", "ai-studio", "librechat", "open-webui"),
    *("copilot", "chatbot-ui", "sharegpt", "openai", "slack", "text", "seed"),
)
"""Where a chat may be from: a site, a program, or the format of a file that names neither. `seed` is made up."""


class ImporterError(Invalid):
    """A chat could not be read. `detail` says what the member can do about it, and holds none of the chat's text.

    Codes: `no_messages`, `unknown_format`, `format_changed`, `several_conversations`, `gone`, `private_or_login`,
    `bot_challenge`, `rate_limited`, `too_large`, `timeout`, `unsupported_url`, `fetch_failed`.
    """

    code = "import_failed"


def no_messages(**diagnosis: str | int) -> ImporterError:
    """The error of a conversation in which nothing is to be shown; `diagnosis` holds stages and counts, never text."""
    detail = "No message of this conversation can be shown. Copy the chat's text and paste it instead."
    return ImporterError(detail, code="no_messages", extra={"stage": "no_visible_messages"} | diagnosis)


@dataclass(frozen=True, slots=True)
class ImportedMessage:
    """One turn, in Markdown."""

    role: Role
    text: str
    source_message_id: str = ""
    created_at: datetime | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ImportedChat:
    """A conversation as it was elsewhere.

    `source` is one of `SOURCES`. `parser` names the importer and its version, such as
    `chatgpt-share-turbostream/1`. `omitted` counts what was left out, by kind (`image`, `tool_call`, `reasoning`, …);
    `warnings` are codes such as `no_labels` or `interrupted`.
    """

    source: str
    parser: str
    title: str
    messages: tuple[ImportedMessage, ...]
    source_id: str = ""
    source_url: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    model: str = ""
    omitted: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The link of this chat, or for one without a link a name that two imports of the same chat share."""
        if self.source_url:
            return self.source_url
        return f"draftloom:import/{self.source}/{self.source_id or self._digest()}"

    def _digest(self) -> str:
        text = "\x1f".join(f"{message.role}\x1e{message.text}" for message in self.messages)
        return hashlib.sha256(text.encode()).hexdigest()

    def report(self) -> dict[str, Any]:
        """What was kept and what was left out, as it is stored with the conversation."""
        return {
            "parser": self.parser,
            "messages": len(self.messages),
            "omitted": dict(self.omitted),
            "warnings": list(self.warnings),
            "model": self.model,
            "created_at": self.created_at.isoformat() if self.created_at else None,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of the conversation at `index` of a file that may hold many: a `chat`, or else an `error_code`.

    `title` and `source_id` name the conversation even if it could not be read, as far as they stand in it.
    """

    index: int
    chat: ImportedChat | None
    error_code: str = ""
    title: str = ""
    source_id: str = ""
