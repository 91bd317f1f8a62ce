import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services import get_or_make_user
from config.tests.admin_pages import (
    Make,
    address,
    check_closed,
    check_pages,
    check_read_only,
    detail_page,
    list_page,
    page,
)
from conversations.models import Conversation, DashboardRow, ImportedSummary, Memory, Run


def make_conversation(number: int, messages: int = 2) -> Conversation:
    chat = [{"role": ["user", "assistant"][n % 2], "content": f"message <{n}>"} for n in range(messages)]
    return Conversation.objects.create(
        url=f"https://example.org/{number}",
        title=f"Conversation {number}",
        imported_chat=chat,
        imported_by_user=get_or_make_user(email=f"person{number}@example.org"),
        source="chatgpt",
        import_report={"parser": "chatgpt"},
    )


def make_summary(number: int) -> ImportedSummary:
    return ImportedSummary.objects.create(conversation=make_conversation(number), summary=f"summary {number}")


def make_memory(number: int) -> Memory:
    return Memory.objects.create(conversation=make_conversation(number), memories=[{"memory": "likes <tea>"}])


def make_run(number: int) -> Run:
    conversation = make_conversation(number)
    return Run.objects.create(
        kind=Run.Kind.IMPORT,
        conversation=conversation,
        user=conversation.imported_by_user,
        payload={"text": "x" * 50_000},
        partial="so far",
    )


def make_dashboard_row(number: int) -> DashboardRow:
    return DashboardRow.objects.get(pk=make_conversation(number).pk)


HISTORY = [make_summary, make_memory, make_run, make_dashboard_row]


@pytest.mark.parametrize("make", [make_conversation, *HISTORY])
def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client, make: Make) -> None:
    check_pages(olivias, make)


@pytest.mark.parametrize("make", [make_conversation, *HISTORY])
def test_it_lets_nobody_but_operators_in(bobs: Client, make: Make) -> None:
    check_closed(bobs, Client(), make(1))


@pytest.mark.parametrize("make", HISTORY)
def test_it_keeps_history_as_it_is(olivias: Client, make: Make) -> None:
    check_read_only(olivias, make(1))


@pytest.mark.parametrize("model", [Conversation, ImportedSummary, Memory, Run])
def test_lists_read_no_chat_and_no_payload(olivias: Client, model: type) -> None:
    make_run(1)
    make_summary(2)
    make_memory(3)
    with CaptureQueriesContext(connection) as queries:
        list_page(olivias, model)
    sql = " ".join(query["sql"] for query in queries)
    assert "conversations" in sql
    for column in ("imported_chat", "import_report", '"payload"', '"partial"', '"memories"'):
        assert column not in sql


def test_it_shows_what_was_kept_and_what_was_left_out(olivias: Client) -> None:
    conversation = make_conversation(1)
    conversation.import_report = {
        "parser": "claude-export/1",
        "messages": 1_234,
        "omitted": {"tool_call": 1_500, "image": 2, "branch": 0},
        "warnings": ["truncated", "<b>"],
        "generated_from": {"kept": 10_000, "total": 20_000},
    }
    conversation.save()
    shown = detail_page(olivias, conversation)
    for name, value in [
        ("read by", "claude-export/1"),
        ("messages kept", "1234"),
        ("left out", "2 × image, 1,500 × tool call"),
        ("warnings", "truncated, &lt;b&gt;"),
        ("draft written from", "10,000 of 20,000 characters"),
    ]:
        assert f"<tr><th>{name}</th><td>{value}</td></tr>" in shown
    assert "begun there" not in shown


@pytest.mark.parametrize(("report", "words"), [({}, "-"), ({"omitted": {}}, "<td>nothing</td>")])
def test_it_says_when_nothing_is_known_or_nothing_was_left_out(
    olivias: Client, report: dict[str, object], words: str
) -> None:
    conversation = make_conversation(1)
    Conversation.objects.update(import_report=report)
    assert words in detail_page(olivias, conversation).split("Import report")[1].split("Imported chat")[0]


def test_it_shows_the_beginning_of_a_long_chat(olivias: Client) -> None:
    shown = detail_page(olivias, make_conversation(1, messages=45))
    assert "message &lt;0&gt;" in shown
    assert "message &lt;19&gt;" in shown
    assert "message &lt;20&gt;" not in shown
    assert "the first 20 of 45 messages" in shown


def test_it_shows_a_short_chat_without_a_note(olivias: Client) -> None:
    shown = detail_page(olivias, make_conversation(1))
    assert "User: message &lt;0&gt;<br><br>Assistant: message &lt;1&gt;" in shown
    assert "the first" not in shown


def test_it_cuts_a_long_message(olivias: Client) -> None:
    conversation = make_conversation(1)
    conversation.imported_chat[0]["content"] = "y" * 5_000
    conversation.save()
    shown = detail_page(olivias, conversation)
    assert "y" * 2_000 in shown
    assert "y" * 2_001 not in shown
    assert "the first 2,000 of 5,000 characters" in shown


def test_it_cuts_the_payload_of_a_run(olivias: Client) -> None:
    shown = detail_page(olivias, make_run(1))
    assert "so far" in shown
    assert 9_000 < shown.count("x" * 50) * 50 < 11_000
    assert "the first 10,000 of 50," in shown


def test_nobody_adds_or_changes_a_conversation_there(olivias: Client) -> None:
    conversation = make_conversation(1)
    assert olivias.get(address("add", Conversation)).status_code == 403
    assert olivias.post(address("change", Conversation, conversation.pk), {"title": "other"}).status_code == 403
    conversation.refresh_from_db()
    assert conversation.title == "Conversation 1"


def test_an_operator_deletes_a_conversation_after_confirming(olivias: Client, olivia: User) -> None:
    run = make_run(1)
    assert run.conversation
    url = address("delete", Conversation, run.conversation.pk)
    shown = page(olivias, url)
    assert "Runs: 1" in shown
    assert Conversation.objects.count() == 1
    assert olivias.post(url, {"post": "yes"}).status_code == 302
    assert Conversation.objects.get().deleted_by_user == olivia
    assert Run.objects.get().state == Run.State.CANCELLED
    assert LogEntry.objects.get().object_repr == "Conversation 1"


def test_an_operator_deletes_several_at_once(olivias: Client) -> None:
    rows = [make_conversation(number) for number in range(3)]
    form = {"action": "delete_selected", "_selected_action": [row.pk for row in rows[:2]], "post": "yes"}
    assert olivias.post(address("changelist", Conversation), form).status_code == 302
    assert list(Conversation.objects.kept()) == [rows[2]]


def test_a_locked_conversation_stays(olivias: Client) -> None:
    free, locked = make_conversation(1), make_conversation(2)
    Conversation.objects.filter(pk=locked.pk).update(is_locked=True)
    form = {"action": "delete_selected", "_selected_action": [free.pk, locked.pk], "post": "yes"}
    shown = olivias.post(address("changelist", Conversation), form).content.decode()
    assert "Conversation 2, which has become a project" in shown
    olivias.post(address("delete", Conversation, locked.pk), {"post": "yes"})
    assert Conversation.objects.count() == 2


def test_it_finds_a_run_by_its_id_title_or_user(olivias: Client) -> None:
    run, other = make_run(1), make_run(2)
    for words in (str(run.pk), "Conversation 1", "person1@"):
        shown = list_page(olivias, Run, f"?q={words}")
        assert str(run.pk) in shown
        assert str(other.pk) not in shown
    list_page(olivias, Run, "?q=no-uuid")
