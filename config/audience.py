"""Whose streams this process keeps open, and the end of those whose owner may not be here any more."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator

LOOK_SECONDS = 2.0
FindGone = Callable[[Collection[int]], Awaitable[Collection[int] | None]]
"""Which of these may not be here any more; None if nobody can tell."""


class Audience:
    """Streams by owner: a number of `Handover.user_id`'s."""

    def __init__(self) -> None:
        self._streams: dict[int, set[asyncio.Event]] = {}

    def total(self) -> int:
        return sum(map(len, self._streams.values()))

    def streams_of(self, owner: int) -> int:
        return len(self._streams.get(owner, ()))

    @contextlib.contextmanager
    def joined(self, owner: int) -> Iterator[asyncio.Event]:
        """A place for one stream; the event is set when its owner has to leave."""
        dismissed = asyncio.Event()
        streams = self._streams.setdefault(owner, set())
        streams.add(dismissed)
        try:
            yield dismissed
        finally:
            streams.discard(dismissed)
            if not streams and self._streams.get(owner) is streams:
                del self._streams[owner]

    async def dismiss(self, find_gone: FindGone) -> None:
        """Asks every two seconds who is gone, in one question however many streams there are; never returns."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            gone = await find_gone(list(self._streams)) if self._streams else None
            for owner in gone or ():
                for dismissed in self._streams.get(owner, ()):
                    dismissed.set()
