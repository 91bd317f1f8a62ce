"""The keywords of a text of any length, and how a model's list of them is read."""

import re
from collections import Counter
from collections.abc import Iterable

from integrations.llm.delimited import as_data
from integrations.llm.map_reduce import Calls
from integrations.llm.splitting import split

MOST_KEYWORDS, MOST_CANDIDATES, KEYWORD_CHARACTERS = 20, 60, 80  # contract.md 4.7; the length is ours
FIND = "Name the 5 to 10 keywords of what stands between the tags, separated by commas."
CHOOSE = (
    "These are candidates, the most frequent first. Choose the 10 to 20 that say most and differ from each other, "
    "separated by commas."
)

_SEPARATOR = re.compile(r"[;、；，]|,(?!\d)|(?<!\d),")  # not the comma of 10,000
_BULLET = re.compile(r"^(?:[-*+•–—]|\(?\d{1,3}[.):])\s+")
_LABEL = re.compile(r"^[\s*_#]*key ?(?:words?|terms?|phrases?)[\s*_]*:[\s*_]*", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]|\d{2}")  # a number of one digit is left from a list
_AROUND = " \t\r\"'`*_“”„‘’«»‹›「」『』[]{}"


async def find_keywords(text: str, *, calls: Calls, system: str, budget: int, tag: str = "conversation") -> list[str]:
    """At most 20 keywords of `text`, the most important first; none if the model names none or the text is blank.

    Each piece of at most `budget` bytes gives 5 to 10. More than 20 in all are candidates, ordered by how many times
    they were named, of which the model chooses 10 to 20. Raises `ValueError` if `budget` is not positive, and what
    `ask` raises.
    """
    questions = [f"{FIND}\n\n{as_data(tag, piece)}" for piece in split(text, budget)]
    candidates = ranked(await calls.answers(system, questions))
    if len(candidates) <= MOST_KEYWORDS:
        return candidates
    question = f"{CHOOSE}\n\n{as_data('candidates', ', '.join(candidates[:MOST_CANDIDATES]))}"
    chosen = ranked(await calls.answers(system, [question]))
    return (chosen or candidates)[:MOST_KEYWORDS]


def ranked(answers: Iterable[str]) -> list[str]:
    """The keywords of several answers, each once: as it was first written, the most frequent first."""
    keywords = [keyword for answer in answers for keyword in parse_keywords(answer)]
    counts = Counter(keyword.casefold() for keyword in keywords)
    first = {keyword.casefold(): keyword for keyword in reversed(keywords)}
    return [first[folded] for folded, _ in counts.most_common()]


def parse_keywords(answer: str) -> list[str]:
    """The keywords of a list that is separated by commas, or by what models write instead, cleaned.

    Handles semicolons, lines, bullets, numbers, quotation marks, Markdown and a `Keywords:` before them. What ends with
    a colon is an introduction, and what is longer than 80 characters is a sentence: neither is kept.
    """
    lines = (_LABEL.sub("", _BULLET.sub("", line.strip())) for line in answer.splitlines())
    parts = (part for line in lines if not line.rstrip(" *_").endswith(":") for part in _SEPARATOR.split(line))
    keywords = (_clean(part) for part in parts)
    return [keyword for keyword in keywords if len(keyword) <= KEYWORD_CHARACTERS and _LETTER.search(keyword)]


def _clean(part: str) -> str:
    text = _BULLET.sub("", " ".join(part.split()).strip(_AROUND)).strip(_AROUND)
    return text.rstrip("." + _AROUND) if text.count(".") == 1 else text  # not of U.S.
