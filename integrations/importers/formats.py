"""The kinds of conversation that can be read, each with how it is known.

A further one is a module with `matches` and `read`, and one line in one of the tables. The first that matches reads, so
a format that others resemble stands before them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from integrations.importers import (
    ai_studio,
    branchprompt,
    chatgpt,
    chatgpt_chat_html,
    chatgpt_dom,
    chatgpt_exporter,
    chatgpt_share,
    chatgpt_state,
    claude,
    deepseek,
    gemini,
    gemini_takeout,
    generic,
    grok,
    grok_x,
    librechat,
    open_webui,
    revivalstack,
)
from integrations.importers.base import ImportedChat
from integrations.importers.values import named_list


def listed(value: Any) -> Iterable[Any]:
    """The items of a list, or of the list `conversations` of an object: how almost every archive holds its chats."""
    return named_list(value, "conversations")


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of conversation: parsed JSON, or the text of a page.

    `matches(value)` decides by shape whether `value` is one conversation of this kind, and `read(value, filename)`
    trusts it. `each(value)` gives the conversations of a file of several, items that are none included.
    """

    matches: Callable[[Any], bool]
    read: Callable[[Any, str], ImportedChat]
    each: Callable[[Any], Iterable[Any]] = listed

    def recognises(self, value: Any) -> bool:
        return any(map(self.matches, self.conversations(value)))

    def conversations(self, value: Any) -> Iterable[Any]:
        """`value` itself if it is one, else what it may hold."""
        return (value,) if self.matches(value) else self.each(value)


JSON_FORMATS = (
    Format(gemini_takeout.matches, gemini_takeout.read),
    Format(open_webui.matches, open_webui.read),
    Format(deepseek.matches, deepseek.read),
    Format(chatgpt.matches, chatgpt.read),
    Format(chatgpt_state.matches, chatgpt_state.read),
    Format(claude.matches, claude.read),
    Format(grok.matches, grok.read),
    Format(grok_x.matches, grok_x.read),
    Format(ai_studio.matches, ai_studio.read),
    Format(librechat.matches, librechat.read),
    Format(generic.matches_chatbot_ui, generic.read_chatbot_ui, generic.each_chatbot_ui),
    Format(branchprompt.matches, branchprompt.read),
    Format(generic.matches_sharegpt, generic.read_sharegpt),
    Format(generic.matches, generic.read),
)
HTML_FORMATS = (
    Format(gemini_takeout.matches, gemini_takeout.read),
    Format(chatgpt_chat_html.matches, chatgpt_chat_html.read, chatgpt_chat_html.each),
    Format(chatgpt_share.matches, chatgpt_share.read),
    Format(chatgpt_dom.matches, chatgpt_dom.read),
)
TEXT_FORMATS = (
    Format(revivalstack.matches, revivalstack.read),
    Format(chatgpt_exporter.matches, chatgpt_exporter.read),
)
CALL_FORMATS = (Format(gemini.matches, gemini.read),)
