"""Keywords of a long text, and how the lists that models write are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.llm.errors import RateLimited
from integrations.llm.keywords import find_keywords, parse_keywords, ranked
from integrations.llm.map_reduce import Calls
from integrations.tests.fake_ask import FakeAsk, inside

SYSTEM, BUDGET = "Find keywords.", 100
CHOSEN = "These are candidates"


def pieces(count: int) -> str:
    return "\n\n".join(f"piece {number} " + "x" * 60 for number in range(count))


async def keywords_of(ask: FakeAsk, text: str, **calls) -> list[str]:
    return await find_keywords(text, calls=Calls(ask, **calls), system=SYSTEM, budget=BUDGET)


@pytest.mark.parametrize(
    ("answer", "keywords"),
    [
        ("one, two words,three", ["one", "two words", "three"]),
        ("one; two\nthree", ["one", "two", "three"]),
        ("1. one\n2) two\n(3) three\n- four\n* five\n• six", ["one", "two", "three", "four", "five", "six"]),
        ("1. one, 2. two", ["one", "two"]),
        (
            "\"one\", 'two', “three”, «four», `five`, **six**, 「七」",
            ["one", "two", "three", "four", "five", "six", "七"],
        ),
        ('["one", "two"]', ["one", "two"]),
        ("Keywords: one, two.", ["one", "two"]),
        ("**Key terms:** one, two", ["one", "two"]),
        ("Here are the keywords:\n\none, two", ["one", "two"]),
        ("  spaced \t  out , , ,", ["spaced out"]),
        (
            "10,000 users, 3.5 GHz, Node.js, C++, .NET, U.S.",
            ["10,000 users", "3.5 GHz", "Node.js", "C++", ".NET", "U.S."],
        ),
        ("模型、质量，数据；训练", ["模型", "质量", "数据", "训练"]),
        ("short, " + "long " * 17, ["short"]),
        ("x" * 80 + ", " + "y" * 81, ["x" * 80]),
        ("", []),
        ("\n, ; - \n1.\n***", []),
    ],
)
def test_it_reads_what_models_write(answer, keywords):
    assert parse_keywords(answer) == keywords


@given(st.text() | st.text("a1.,;:-*\"'\n ()[]"))
def test_it_gives_clean_keywords_whatever_the_answer(answer):
    for keyword in parse_keywords(answer):
        assert 0 < len(keyword) <= 80
        assert keyword == " ".join(keyword.split())
        assert not keyword.startswith(('"', "'", "*", "`"))


@given(st.lists(st.text("abAB ,", max_size=12), max_size=8))
def test_it_names_each_keyword_once_with_the_most_frequent_first(answers):
    found = [keyword.casefold() for answer in answers for keyword in parse_keywords(answer)]
    names = [keyword.casefold() for keyword in ranked(answers)]
    assert sorted(names) == sorted(set(found))
    assert names == sorted(set(found), key=lambda name: (-found.count(name), found.index(name)))


def test_it_keeps_the_first_way_of_writing():
    assert ranked(["Rust, tokio", "RUST, Tokio, rust, ß", "SS"]) == ["Rust", "tokio", "ß"]


async def test_it_asks_for_five_to_ten_of_each_piece():
    ask = FakeAsk(lambda question, number: f"shared, own {inside(question).split()[1]}")
    assert await keywords_of(ask, pieces(3)) == ["shared", "own 0", "own 1", "own 2"]
    assert [(system, tokens) for system, _, tokens in ask.asked] == [(SYSTEM, 600)] * 3
    assert "5 to 10" in ask.asked[0][1]
    assert ask.asked[0][1].endswith("</conversation>")


@pytest.mark.parametrize(("own", "calls"), [(10, 2), (11, 3)])
async def test_it_has_more_than_twenty_chosen_from(own, calls):
    def say(question: str, number: int) -> str:
        if question.startswith(CHOSEN):
            return "best, Best, other"
        return ", ".join(f"{inside(question).split()[1]} k{index}" for index in range(own))

    ask = FakeAsk(say)
    found = await keywords_of(ask, pieces(2))
    assert len(ask.asked) == calls
    assert found == (
        ["best", "other"] if calls == 3 else [f"{piece} k{index}" for piece in (0, 1) for index in range(10)]
    )


async def test_it_chooses_from_the_sixty_most_frequent_and_keeps_twenty():
    def say(question: str, number: int) -> str:
        if question.startswith(CHOSEN):
            return ", ".join(f"chosen {index}" for index in range(30))
        return "frequent, " + ", ".join(f"{inside(question).split()[1]} k{index}" for index in range(40))

    ask = FakeAsk(say)
    assert await keywords_of(ask, pieces(3), limit=1) == [f"chosen {index}" for index in range(20)]
    candidates = inside(ask.asked[-1][1]).split(", ")
    assert candidates == ["frequent", *(f"0 k{index}" for index in range(40)), *(f"1 k{index}" for index in range(19))]


async def test_it_takes_the_most_frequent_if_nothing_is_chosen():
    def say(question: str, number: int) -> str:
        return "" if question.startswith(CHOSEN) else ", ".join(f"k{index}" for index in range(25))

    assert await keywords_of(FakeAsk(say), "text") == [f"k{index}" for index in range(20)]


async def test_it_finds_none_where_there_are_none():
    silent = FakeAsk(lambda question, number: "")
    assert await keywords_of(silent, pieces(2)) == []
    assert await keywords_of(silent, " \n") == []
    assert len(silent.asked) == 2


async def test_it_repeats_no_call_after_a_restart():
    kept: dict[str, str] = {}

    async def keep(key: str, answer: str) -> None:
        kept[key] = answer

    def say(question: str, number: int) -> str | Exception:
        if question.startswith(CHOSEN):
            return RateLimited("Busy.")
        return ", ".join(f"{inside(question).split()[1]} k{index}" for index in range(12))

    with pytest.raises(RateLimited):
        await keywords_of(FakeAsk(say), pieces(2), on_part=keep)
    again = FakeAsk(lambda question, number: "best")
    assert await keywords_of(again, pieces(2), resume=kept) == ["best"]
    assert len(again.asked) == 1


async def test_it_refuses_a_budget_without_room():
    with pytest.raises(ValueError, match="positive"):
        await find_keywords("text", calls=Calls(FakeAsk(lambda *_: "")), system=SYSTEM, budget=0)
