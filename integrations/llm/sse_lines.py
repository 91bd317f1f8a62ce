"""Server-sent events as the vendors of language models write them: one JSON document on one `data:` line."""

LINE_BYTES = 4 * 1024 * 1024


class LineTooLong(ValueError):
    """A line went on for more than `LINE_BYTES`."""


class DataLines:
    """Cuts a stream of bytes, in whatever pieces it arrives, into the contents of its `data:` lines.

    Comments, blank lines and other fields are left out; each vendor's JSON says itself what kind of event it is.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """What `chunk` completes; a line that is not over yet waits for the next chunk. Raises `LineTooLong`."""
        self._rest += chunk
        if b"\n" not in chunk:
            if len(self._rest) > LINE_BYTES:
                raise LineTooLong
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]
