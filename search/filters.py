"""What a search looks at: conversations as in the list of them, and kinds of content."""

from dataclasses import dataclass

from conversations import filters


@dataclass(frozen=True, slots=True)
class Filters(filters.Filters):
    """`source_types` are the kinds of content in which hits must lie; all of them if none is given."""

    source_types: tuple[str, ...] = ()
