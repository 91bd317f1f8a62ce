"""What an imported chat is called when its source does not say."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from config.limits import CONVERSATION_TITLE_CHARACTERS
from config.text import clean_text, shorten
from integrations.importers.base import ImportedMessage

_PLACEHOLDERS = frozenset(
    {"", "chatgpt", "claude", "gemini", "grok", "new chat", "new conversation", "untitled", "untitled conversation"}
)
_FROM_TEXT_CHARACTERS = 80


def choose_title(candidates: Iterable[object], messages: Sequence[ImportedMessage], filename: str = "") -> str:
    """The first of `candidates` that names the chat; else the start of what its user said; else the file's name."""
    for candidate in candidates:
        if isinstance(candidate, str) and (title := _one_line(candidate)).lower() not in _PLACEHOLDERS:
            return shorten(title, CONVERSATION_TITLE_CHARACTERS)
    said = next((message.text for message in messages if message.role == "user"), "")
    title = _one_line(said[: 4 * _FROM_TEXT_CHARACTERS]) or _one_line(PurePath(filename).stem)
    return shorten(title, _FROM_TEXT_CHARACTERS) or "Untitled conversation"


def _one_line(text: str) -> str:
    return " ".join(clean_text(text).split())
