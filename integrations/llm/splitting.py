"""A long text in pieces that each fit a model's window."""

import re
import unicodedata

from integrations.llm.tokens import BYTES_PER_TOKEN, fitting

ANSWER_TOKENS = 600  # contract.md 4.7, as are the other numbers here
MARGIN_TOKENS = 128
EARLIEST_CUT = 0.5  # of a piece: a blank line before that would make too small a one

_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_JOINER = "\u200d"


def map_budget(
    window_tokens: int, system_tokens: int, instruction_tokens: int, bytes_per_token: float = BYTES_PER_TOKEN
) -> int:
    """The size, in bytes of UTF-8, that a piece may have beside the prompts and the answer; 0 if there is no room."""
    tokens = window_tokens - (system_tokens + instruction_tokens + MARGIN_TOKENS + ANSWER_TOKENS)
    return max(int(tokens * bytes_per_token), 0)


def split(text: str, budget: int) -> list[str]:
    """`text` in pieces of at most `budget` bytes of UTF-8, trimmed, none of them empty.

    A piece ends at its last blank line, unless that is in its first half: then as late as it can without tearing a
    character from its accents. Only what is by itself longer than `budget` is torn, and one code point never is.
    Raises `ValueError` if `budget` is not positive. Takes linear time.
    """
    if budget <= 0:
        raise ValueError("A piece of text needs a positive budget.")
    pieces, start = [], 0
    while start < len(text):
        end = _end_of_piece(text, start, budget)
        pieces.append(text[start:end].strip())
        start = end
    return [piece for piece in pieces if piece]


def _end_of_piece(text: str, start: int, budget: int) -> int:
    end = start + max(fitting(text, budget, start), 1)
    if end >= len(text):
        return len(text)
    middle = start + int((end - start) * EARLIEST_CUT)
    blank_lines = [match.end() for match in _BLANK_LINE.finditer(text, middle, end)]
    return blank_lines[-1] if blank_lines else _before_sequence(text, start, end)


def _before_sequence(text: str, start: int, end: int) -> int:
    """The last place up to `end` where no character belongs to the one before it; `end` if there is none."""
    cut = end
    while cut > start and _continues(text[cut - 1], text[cut]):
        cut -= 1
    return cut if cut > start else end


def _continues(before: str, char: str) -> bool:
    """Whether two code points are part of what a reader takes for one character (the common cases of UAX 29)."""
    if char in "\r\n":
        return before + char == "\r\n"
    if unicodedata.category(char).startswith("M") or _JOINER in (before, char):
        return True
    return (
        ("\ud800" <= before <= "\udbff" and "\udc00" <= char <= "\udfff")
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # the colour of a hand
        or "\u1160" <= char <= "\u11ff"  # vowels and finals of a Korean syllable
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= char <= "\U0001f1ff")  # a flag
        or "\U000e0020" <= char <= "\U000e007f"  # a flag's region
    )
