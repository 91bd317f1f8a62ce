"""Text from a model, cleaned while it streams."""

from config.text import clean_text, is_storable


class StreamedText:
    """`clean_text` for a text that arrives in pieces.

    A character outside the basic plane may come as two JSON escapes in two pieces, each of them half a surrogate pair:
    the first half is held back until the next piece shows whether the second one follows.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The storable text that is certain by now; may be empty."""
        if not self._held and is_storable(piece):
            return piece
        text, self._held = self._held + piece, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return clean_text(join_pairs(text))

    def end(self) -> str:
        """What was held back for a second half that never came."""
        held, self._held = self._held, ""
        return clean_text(held)


def join_pairs(text: str) -> str:
    """`text` with the two halves of a surrogate pair as the one character that they are."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
