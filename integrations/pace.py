"""How fast we ask one site: one request after the other, in the order in which they came."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.refusals import error_of

INTERVAL_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 20.0


@dataclass
class Pace:
    """A place in the queue of each host. For one process: several runners ask a site that many times as often."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, host: str) -> None:
        """Returns when `host` may be asked. Raises `ImporterError` `rate_limited` if the queue is too long."""
        with self._lock:
            now = self.clock()
            turn = max(now, self._free_at.get(host, now))
            if turn - now > LONGEST_WAIT_SECONDS:
                raise error_of("rate_limited", stage="queue")
            self._free_at[host] = turn + INTERVAL_SECONDS
        self.sleep(turn - now)
