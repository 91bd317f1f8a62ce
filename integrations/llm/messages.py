"""What is sent to a language model: messages made of typed parts. Pure values, free of any vendor."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A call the assistant made in an earlier round. `arguments` is the JSON text exactly as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool answered; the only part of a message with the role `tool`."""

    call_id: str
    name: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class FilePart:
    """An image or a PDF that the model itself looks at; only for models that take this kind.

    `media_type` is one of `image/png image/jpeg image/gif image/webp application/pdf`. Exactly one of `data`, the
    file's bytes, and `url`, a signed address that the provider can reach, is given.
    """

    media_type: str
    filename: str
    data: bytes = b""
    url: str = ""

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")

    @property
    def base64(self) -> str:
        return b64encode(self.data).decode()

    @property
    def data_url(self) -> str:
        return f"data:{self.media_type};base64,{self.base64}"


Part = TextPart | FilePart | ToolCallPart | ToolResultPart


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def text_message(role: Role, text: str) -> Message:
    return Message(role, (TextPart(text),))


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it; `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call of a model. `model` is the provider's own id; `max_output_tokens` caps the visible text.

    `options` carries what a model's row says about its wire, so that a provider never looks at a model's name:
    `api_flavour`, `max_tokens_field`, `output_cap` and `extra_body`, see `docs/integrations.md`.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int = 2048
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def output_cap(self) -> int:
        """Tokens that the model may write, unseen thoughts included: more than the visible text if its row allows."""
        return max(self.max_output_tokens, int(self.options.get("output_cap", 0)))
