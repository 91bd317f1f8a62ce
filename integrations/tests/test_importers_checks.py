from datetime import UTC, datetime, timedelta

import pytest

from integrations.importers.base import ImportedChat, ImportedMessage
from integrations.importers.checks import checked

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def chat(*seconds: int | None, role: str = "user", warnings: tuple[str, ...] = (), **omitted: int) -> ImportedChat:
    """A chat with a message so many seconds after noon; None for one without a time."""
    times = [None if second is None else NOON + timedelta(seconds=second) for second in seconds]
    messages = tuple(
        ImportedMessage("user" if role == "user" else "assistant", "Hi", created_at=time) for time in times
    )
    return ImportedChat("x", "x/1", "X", messages, omitted=omitted, warnings=warnings)


@pytest.mark.parametrize("seconds", [(0,), (0, 5, 5), (0, None, 5), (5, 4), (0, -60), (None, None)])
def test_it_says_nothing_of_times_in_order_or_nearly_so(seconds):
    assert checked(chat(*seconds)).warnings == ()


@pytest.mark.parametrize("seconds", [(0, -61), (100, None, 0), (0, 200, 100)])
def test_it_warns_of_times_that_go_back(seconds):
    assert checked(chat(*seconds)).warnings == ("times_not_in_order",)


def test_it_warns_if_no_user_speaks():
    assert checked(chat(0, role="assistant", warnings=("interrupted",))).warnings == ("interrupted", "no_user_message")


@pytest.mark.parametrize(
    ("omitted", "is_much"),
    [
        ({"unknown": 1}, False),
        ({"unknown": 2}, True),
        ({"unknown": 2, "tool_call": 5}, False),
        ({"unknown": 2, "branch": 9}, True),
    ],
)
def test_it_warns_if_a_fifth_of_what_was_read_is_unknown(omitted, is_much):
    assert checked(chat(0, 1, 2, 3, **omitted)).warnings == (("much_unknown",) if is_much else ())
