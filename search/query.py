"""What somebody typed into the search box: links and ids, quoted phrases, and the rest of the words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_PHRASES = 8
SOURCES_OF_UUIDS = ("chatgpt", "claude", "grok")
SHARE_PAGES = ("https://chatgpt.com/share/{}", "https://claude.ai/share/{}")
BRANCHPROMPT_PAGE = "https://v2.branchprompt.com/conversation/{}"
LINEAR = re.compile(r"https://linear\.app/\S+", re.IGNORECASE)
LINEAR_TAB = re.compile(r"/(?:overview|issues|documents|updates)$")

_PHRASE = re.compile(r'"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]')
_UUID = re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.ASCII | re.IGNORECASE)
_OBJECT_ID = re.compile(r"(?<![\w-])[0-9a-f]{24}(?![\w-])", re.ASCII)
_URL = re.compile(r"https?://\S+|draftloom:import/\S+", re.IGNORECASE)
_SENTENCE_MARKS = ".,;:!?)]}>\"'”’"
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Query:
    """`text` is what was typed without links, ids and quotation marks; `phrases` must be in what is found, as they are.

    `urls` are addresses under which a chat that is meant may be stored, `linear_urls` those of a Linear project.
    """

    typed: str
    text: str
    phrases: tuple[str, ...]
    urls: tuple[str, ...]
    linear_urls: tuple[str, ...]

    @property
    def is_link(self) -> bool:
        """Nothing but links and ids was typed: their meaning is of no use, and all of their parts must be there."""
        return bool(self.urls or self.linear_urls) and not _WORD.search(self.text)

    @property
    def words(self) -> str:
        """What the words of a text are compared with."""
        return self.typed if self.is_link else self.text


def parse(typed: str) -> Query:
    addresses = [match.group().rstrip(_SENTENCE_MARKS) for match in _URL.finditer(typed)]
    rest = _URL.sub(" ", typed)
    ids = [match.group() for pattern in (_UUID, _OBJECT_ID) for match in pattern.finditer(rest)]
    rest = _OBJECT_ID.sub(" ", _UUID.sub(" ", rest))
    phrases = [next(filter(None, match.groups()), "").strip() for match in _PHRASE.finditer(rest)]
    linear = [address for address in addresses if LINEAR.fullmatch(address)]
    chats = [address for address in addresses if address not in linear]
    return Query(
        typed=typed,
        text=" ".join(re.sub('["“”„]', " ", rest).split()),
        phrases=tuple(dict.fromkeys(phrase for phrase in phrases if _WORD.search(phrase)))[:MOST_PHRASES],
        urls=_unique(spelling for address in chats for spelling in _chat_spellings(address)) + _of_ids(ids),
        linear_urls=_unique(spelling for address in linear for spelling in _linear_spellings(address)),
    )


def _chat_spellings(address: str) -> list[str]:
    """The address as it is, without what follows the page, and where a chat of the id in it may be."""
    page = re.split(r"[?#]", address)[0]
    return [address, page, page.rstrip("/"), *_of_ids(_UUID.findall(page))]


def _of_ids(ids: list[str]) -> tuple[str, ...]:
    """Where a chat with such an id came from: a share page, or somebody's export."""
    found: list[str] = []
    for each in ids:
        if "-" in each:
            pages = [page.format(each.lower()) for page in SHARE_PAGES]
            found += [*pages, *(f"draftloom:import/{source}/{each.lower()}" for source in SOURCES_OF_UUIDS)]
        else:
            found += [BRANCHPROMPT_PAGE.format(each), f"draftloom:import/branchprompt/{each}"]
    return _unique(found)


def _linear_spellings(address: str) -> list[str]:
    """The project's address, whichever of its tabs was copied."""
    page = re.split(r"[?#]", address)[0].rstrip("/")
    return [address, page, LINEAR_TAB.sub("", page)]


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
