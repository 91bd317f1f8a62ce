"""Looks at what an importer made of a chat for signs that its source has changed: none of them is an error."""

from dataclasses import replace
from itertools import pairwise

from integrations.importers.base import ImportedChat

UNKNOWN_SHARE = 0.2  # of all that was read: beyond it the importer no longer knows its format

CLOCK_SECONDS = 60  # by so much may an answer seem to come before its question: two clocks of one site differ


def checked(chat: ImportedChat) -> ImportedChat:
    """`chat` with a warning for each sign: `no_user_message`, `times_not_in_order`, `much_unknown`."""
    signs = {
        "no_user_message": all(message.role != "user" for message in chat.messages),
        "times_not_in_order": _goes_back(chat),
        "much_unknown": _unknown_share(chat) > UNKNOWN_SHARE,
    }
    return replace(chat, warnings=(*chat.warnings, *(code for code, is_seen in signs.items() if is_seen)))


def _goes_back(chat: ImportedChat) -> bool:
    times = [message.created_at for message in chat.messages if message.created_at]
    return any((earlier - later).total_seconds() > CLOCK_SECONDS for earlier, later in pairwise(times))


def _unknown_share(chat: ImportedChat) -> float:
    unknown = chat.omitted.get("unknown", 0)
    read = len(chat.messages) + sum(count for kind, count in chat.omitted.items() if kind != "branch")
    return unknown / read
