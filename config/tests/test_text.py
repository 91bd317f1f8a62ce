import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.text import plain


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("", ""),
        ("Plain words.", "Plain words."),
        ("## Goal\n\nLight the **coast** at _night_.", "Goal Light the coast at night."),
        ("- one\n- two\n\n1. three", "one two three"),
        ("> quoted", "quoted"),
        ("See [the plan](https://example.org/x) and ![a map](map.png).", "See the plan and a map."),
        ("Before\n\n```sql\nSELECT 1\n```\n\nafter", "Before after"),
        ("```never closed", ""),
        ("Keep snake_case and 3 * 4 = 12", "Keep snake_case and 3 4 = 12"),
    ],
)
def test_it_takes_the_markup_off(markdown: str, text: str) -> None:
    assert plain(markdown, 255) == text


def test_it_cuts_after_a_word() -> None:
    assert plain("The lamp, which turns.", 12) == "The lamp…"
    assert plain("x" * 20, 10) == "x" * 9 + "…"
    assert plain("x" * 10, 10) == "x" * 10


@given(st.text(alphabet="ab \n#*_`[]()->1.", max_size=60), st.integers(5, 40))
def test_it_is_never_longer_than_it_may_be(markdown: str, limit: int) -> None:
    text = plain(markdown, limit)
    assert len(text) <= limit
    assert text == " ".join(text.split())
