"""A bar for work that takes minutes."""

import time

from django.core.management.base import OutputWrapper

WIDTH = 30
LINE_SECONDS = 5.0


class ProgressBar:
    """Draws one line over and over on a terminal; into a file it writes a line every few seconds."""

    def __init__(self, out: OutputWrapper, unit: str) -> None:
        self._out, self._unit = out, unit
        self._began = time.monotonic()
        self._written = float("-inf")
        self._first: int | None = None

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._first = done if self._first is None else self._first
        is_terminal = self._out.isatty()
        if not is_terminal and now - self._written < LINE_SECONDS and done < total:
            return
        self._written = now
        line = self._line(done, total)
        self._out.write(f"\r{line}" if is_terminal else line.rstrip(), ending="" if is_terminal else "\n")
        self._out.flush()

    def end(self) -> None:
        """Leaves the line as it is and begins a new one."""
        if self._out.isatty():
            self._out.write()

    def _line(self, done: int, total: int) -> str:
        share = done / total if total else 1.0
        bar = "#" * int(share * WIDTH)
        rate = (done - (self._first or 0)) / max(time.monotonic() - self._began, 0.001)
        left = f", {(total - done) / rate:,.0f} s left" if rate and done < total else ""
        return f"[{bar:<{WIDTH}}] {done:,} of {total:,} {self._unit}, {rate:,.0f}/s{left}".ljust(79)
