"""How well search finds what is meant: 400 conversations of our own, and questions each of which means one of them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid5

from accounts.models import User
from conversations.models import Conversation
from search.filters import Filters
from search.ranking import Hit, Page
from search.services import search
from search.tests.index import index_all

DATA = Path(__file__).with_name("data")
NAMESPACE = UUID("6f0c3c9e-7b0e-4d0a-9d8e-0d1f5a1c2b3d")
DEPTHS = (1, 3, 10)
LEGS: dict[str, Callable[[Hit], int | None]] = {
    "words": lambda hit: hit.words_place,
    "meaning": lambda hit: hit.meaning_place,
}
"""Where a hit stands in the list of one leg."""


class Question(NamedTuple):
    kind: str
    typed: str
    title: str


class Places(NamedTuple):
    """Where the conversation that was meant stands, from 1; 0 if it is not there. `fusion` is what a member sees."""

    kind: str
    words: int
    meaning: int
    fusion: int


def load(user: User) -> None:
    """The conversations, indexed."""
    Conversation.objects.bulk_create(
        Conversation(
            title=title,
            url=f"https://chatgpt.com/share/{_id_of(title)}",
            imported_chat=[{"role": "user", "content": text}],
            imported_by_user=user,
            source="chatgpt",
        )
        for title, text in passages()
    )
    index_all()


def passages() -> list[tuple[str, str]]:
    """The title of each conversation and what its one message says."""
    return [(title, text) for title, text in _lines("passages.txt")]


def questions() -> list[Question]:
    found = []
    for kind, typed, title in _lines("queries.txt"):
        own = str(_id_of(title))
        url = f"https://chatgpt.com/share/{own}"
        found.append(Question(kind, typed.replace("{id}", own).replace("{url}", url), title))
    return found


def ask(user: User, question: Question) -> Places:
    answer = search(user=user, typed=question.typed, filters=Filters(), page=Page(limit=100))
    hits = answer.found.hits
    legs = {name: _place(question, _sorted(hits, place)) for name, place in LEGS.items()}
    return Places(question.kind, fusion=_place(question, hits), **legs)


def reciprocal_rank(places: Iterable[int]) -> float:
    """MRR: the mean of 1/place."""
    shares = [1 / place if place else 0.0 for place in places]
    return sum(shares) / len(shares)


def hits_within(places: Iterable[int], depth: int) -> float:
    """hit@k: the share that stands at `depth` or before."""
    shares = [0 < place <= depth for place in places]
    return sum(shares) / len(shares)


def report(asked: list[Places]) -> Iterable[str]:
    """MRR and hit@k of each leg and of the fusion, for all questions and for each kind."""
    yield f"{'':<12}{'leg':<10}{'MRR':>7}" + "".join(f"{f'hit@{depth}':>8}" for depth in DEPTHS)
    for kind in ("all", *dict.fromkeys(one.kind for one in asked)):
        of_kind = [one for one in asked if kind in {"all", one.kind}]
        for leg in ("words", "meaning", "fusion"):
            places = [getattr(one, leg) for one in of_kind]
            shares = "".join(f"{hits_within(places, depth):8.2f}" for depth in DEPTHS)
            yield f"{kind if leg == 'words' else '':<12}{leg:<10}{reciprocal_rank(places):7.3f}{shares}"


def _lines(name: str) -> Iterable[list[str]]:
    for line in (DATA / name).read_text("utf-8").splitlines():
        if not line.startswith("#"):
            yield [part.strip() for part in line.split("|")]


def _id_of(title: str) -> UUID:
    return uuid5(NAMESPACE, title)


def _sorted(hits: Iterable[Hit], place: Callable[[Hit], int | None]) -> list[Hit]:
    ranked = [(number, hit) for hit in hits if (number := place(hit)) is not None]
    return [hit for _, hit in sorted(ranked, key=lambda pair: pair[0])]


def _place(question: Question, hits: list[Hit]) -> int:
    titles = list(dict.fromkeys(hit.title for hit in hits))
    return titles.index(question.title) + 1 if question.title in titles else 0
