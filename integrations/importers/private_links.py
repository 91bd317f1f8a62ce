"""Links that cannot be fetched, by what they look like, and what a member can do about each."""

import re

from integrations.importers.base import ImporterError

_TAIL = r"/?(?:\?[!-~]*)?(?:#[!-~]*)?"
_ID = r"[\w=%-]+"
_CHATGPT = r"https://(?:chatgpt\.com|chat\.openai\.com)"

_INSTEAD = "Copy the chat's text, with its labels, and paste it instead."
_PRIVATE = (
    "This is the address of a private chat, which only its owner can open. Use the chat's Share button and "
    "import the link that it gives, or upload or paste the chat instead."
)
_DETAILS = tuple(
    (re.compile(pattern + _TAIL, re.ASCII | re.IGNORECASE), detail)
    for pattern, detail in (
        (rf"{_CHATGPT}/(?:g/{_ID}/)?(?:c|uc)/{_ID}", _PRIVATE),
        (rf"https://claude\.ai/chat/{_ID}", _PRIVATE),
        (rf"https://(?:www\.)?grok\.com/(?:c|chat)/{_ID}", _PRIVATE),
        (rf"https://gemini\.google\.com/(?:u/\d/)?(?:app|gem/{_ID})/{_ID}", _PRIVATE),
        (rf"https://aistudio\.google\.com/(?:u/\d/)?(?:app/)?prompts/{_ID}", _PRIVATE),
        (rf"{_CHATGPT}/share/e/{_ID}", f"This link opens for members of one ChatGPT workspace only. {_INSTEAD}"),
        (
            rf"{_CHATGPT}/s/t_{_ID}",
            f"This link shows a single message of ChatGPT's and not the chat. Share the chat itself. Or: {_INSTEAD}",
        ),
        (
            rf"{_CHATGPT}/(?:s/cx_{_ID}|codex/{_ID}(?:/{_ID})?)",
            f"This is a link of Codex, whose sessions are not read. {_INSTEAD}",
        ),
        (
            rf"{_CHATGPT}/canvas/shared/{_ID}",
            f"This link shows a canvas and not the chat in which it was written. Share the chat itself. Or: {_INSTEAD}",
        ),
        (
            rf"https://claude\.ai/public/artifacts/{_ID}",
            "This link shows an artifact and not the chat in which it was made. Use the chat's own Share button, or "
            "paste the chat instead.",
        ),
        (
            rf"https://(?:x|twitter)\.com/i/grok(?:/share/{_ID}|\?conversation=\d+)",
            f"Chats with Grok on X cannot be fetched: X shows them to signed-in people only. {_INSTEAD}",
        ),
        (
            rf"https://share\.gemini\.google/{_ID}",
            "This is a short link of Gemini's. Open it in your browser and import the long address that it leads to: "
            "https://gemini.google.com/share/ and the chat's id. Or paste the chat instead.",
        ),
    )
)
_UNKNOWN = (
    "This is not a share link that can be read. It should look like https://chatgpt.com/share/…, "
    "https://claude.ai/share/…, https://grok.com/share/…, https://gemini.google.com/share/… or "
    "https://v2.branchprompt.com/conversation/…, with the chat's id at its end. Any other chat can be imported by "
    "uploading or pasting it."
)


def refusal_of(candidate: str) -> ImporterError:
    """The error `unsupported_url` for what is no share link that can be fetched; says nothing of `candidate`'s text."""
    found = next((detail for pattern, detail in _DETAILS if pattern.fullmatch(candidate)), _UNKNOWN)
    return ImporterError(found, code="unsupported_url")
