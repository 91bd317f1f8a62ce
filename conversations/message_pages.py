"""A part of an imported chat, cut out by the database, so that 5,000 messages need not be read to show ten."""

import re
from typing import NamedTuple

from django.db.models import F, Func, IntegerField, JSONField, Value

from accounts.principals import Principal
from config.exceptions import Invalid, NotFound
from conversations.models import Conversation

MOST_MESSAGES = 1000
MESSAGES = 100
LONGEST_ARRAY = 2**28  # of jsonb; what comes after it is past the end

_PARAMETER = re.compile(r"([0-9]{1,18})(?:,([0-9]{1,4}))?", re.ASCII)


class Part(NamedTuple):
    """`limit` messages at most, behind the first `after`."""

    after: int
    limit: int


class Messages(NamedTuple):
    """What a chat of `total` messages holds of `part`."""

    part: Part
    shown: list[dict[str, str]]
    total: int

    @property
    def next(self) -> str | None:
        """The parameter that asks for what follows; None if nothing does."""
        end = self.part.after + self.part.limit
        return f"{end},{self.part.limit}" if end < self.total else None


def parse_part(text: str) -> Part:
    """What `<after>,<limit>` or `<after>` asks for. Raises `Invalid` (`invalid_messages`) for anything else."""
    match = _PARAMETER.fullmatch(text)
    limit = int(match[2] or MESSAGES) if match else 0
    if not match or not 1 <= limit <= MOST_MESSAGES:
        example = f"`messages=0,{MESSAGES}`: how many to leave out, and how many to show, 1 to {MOST_MESSAGES}"
        raise Invalid(f"Ask for a part of the chat as {example}.", code="invalid_messages", field="messages")
    return Part(min(int(match[1]), LONGEST_ARRAY), limit)


def read(*, user: Principal, conversation_id: int, part: Part) -> Messages:
    """Raises `NotFound` for a conversation that is missing or not this user's to see."""
    path = Value(f"$[{part.after} to {part.after + part.limit - 1}]")
    cut = Func(F("imported_chat"), path, function="jsonb_path_query_array", output_field=JSONField())
    count = Func(F("imported_chat"), function="jsonb_array_length", output_field=IntegerField())
    row = Conversation.objects.visible_to(user).filter(pk=conversation_id).values_list(cut, count).first()
    if row is None:
        raise NotFound("There is no such conversation.", code="conversation_not_found")
    return Messages(part, *row)
