"""Threads of Slack."""

from datetime import UTC, datetime

import pytest

from integrations.importers.base import ImporterError
from integrations.importers.slack import THREAD_LINK, markdown, read_thread

THREAD = [
    {"user": "U1", "text": "Can we measure the tide?", "ts": "1700000000.000100"},
    {"bot_id": "B1", "text": "Yes, with a gauge.", "ts": "1700000060.000200"},
]


def test_it_takes_people_for_the_user_and_apps_for_the_assistant():
    chat = read_thread([*THREAD, {"subtype": "bot_message", "text": "Or a buoy."}], title="Tides")
    assert [(turn.role, turn.text) for turn in chat.messages] == [
        ("user", "Can we measure the tide?"),
        ("assistant", "Yes, with a gauge."),
        ("assistant", "Or a buoy."),
    ]
    assert (chat.source, chat.title, chat.messages[0].source_message_id) == ("slack", "Tides", "1700000000.000100")
    assert chat.created_at == datetime(2023, 11, 14, 22, 13, 20, 100, UTC)


def test_it_says_who_speaks_where_several_people_do():
    chat = read_thread([*THREAD, {"author": "Ada", "user": "U2", "text": "Nice"}])
    assert [turn.text for turn in chat.messages] == [
        "**U1:** Can we measure the tide?",
        "Yes, with a gauge.",
        "**Ada:** Nice",
    ]


def test_it_is_called_by_its_first_line_without_a_title():
    assert read_thread([{"user": "U1", "text": "One\nTwo"}]).title == "One"
    assert len(read_thread([{"user": "U1", "text": "x" * 500}]).title) == 80


def test_it_is_known_by_its_link_or_else_by_its_words():
    link = "https://team.slack.com/archives/C024BE91L/p1700000000000100"
    assert THREAD_LINK.fullmatch(link)
    assert read_thread(THREAD, thread_url=link).url == link
    here, there = read_thread(THREAD).url, read_thread(THREAD[:1]).url
    assert here.startswith("draftloom:import/slack/")
    assert here != there


@pytest.mark.parametrize(
    "link",
    [
        "http://team.slack.com/archives/C1/p1",
        "https://slack.com.evil.example/archives/C1/p1",
        "https://team.slack.com/archives/C1/p1?x=1",
        "javascript:alert(1)//.slack.com/archives/C1/p1",
    ],
)
def test_it_knows_the_links_of_threads_from_others(link: str):
    assert not THREAD_LINK.fullmatch(link)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see <https://example.org|the plan>", "see [the plan](https://example.org)"),
        ("see <https://example.org/a?b=1&amp;c=2>", "see https://example.org/a?b=1&c=2"),
        ("ask <@U024> in <#C024|general>", "ask @U024 in general"),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt;", "&lt;"),
    ],
)
def test_it_reads_slacks_markup(text: str, expected: str):
    assert markdown(text) == expected


def test_it_leaves_out_messages_without_text_and_counts_them():
    chat = read_thread([*THREAD, {"user": "U1", "text": "  "}, {"user": "U1"}])
    assert (len(chat.messages), chat.omitted) == (2, {"unknown": 2})


@pytest.mark.parametrize("messages", [[], [{"user": "U1", "text": ""}], [{}]])
def test_it_refuses_a_thread_without_words(messages: list[dict[str, str]]):
    with pytest.raises(ImporterError) as caught:
        read_thread(messages)
    assert caught.value.code == "no_messages"


@pytest.mark.parametrize("ts", [None, "", "soon", "nan", "1e400", "99999999999999999", [1]])
def test_it_does_without_a_time_that_is_none(ts: object):
    (turn,) = read_thread([{"user": "U1", "text": "Hello", "ts": ts}]).messages
    assert turn.created_at is None
