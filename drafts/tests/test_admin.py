import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.services import get_or_make_user
from config.tests import making
from config.tests.admin_pages import Make, check_closed, check_pages, check_read_only, detail_page, list_page
from conversations.models import Conversation, Run
from drafts.models import Archive, DraftVersion, LinearProjectRequest, Project, ProjectDraft


def make_conversation(number: int) -> Conversation:
    user = get_or_make_user(email=f"person{number}@example.org")
    return Conversation.objects.create(
        url=f"https://example.org/{number}", title=f"Conversation {number}", imported_by_user=user, source="chatgpt"
    )


def make_version(number: int) -> DraftVersion:
    conversation = make_conversation(number)
    user = conversation.imported_by_user
    draft = ProjectDraft.objects.create(conversation=conversation, created_by_user=user)
    run = Run.objects.create(kind=Run.Kind.GENERATE, state=Run.State.DONE, conversation=conversation, user=user)
    version = DraftVersion.objects.create(
        project_draft=draft,
        title=f"Draft <{number}>",
        description="z" * 15_000,
        version_number=1,
        created_by_user=user,
        run=run,
    )
    ProjectDraft.objects.filter(pk=draft.pk).update(active_version=version)
    return version


def make_draft(number: int) -> ProjectDraft:
    return make_version(number).project_draft


def make_project(number: int) -> Project:
    conversation = make_conversation(number)
    return Project.objects.create(
        conversation=conversation,
        linear_project_id="L",
        title=f"Project {number}",
        description="z" * 15_000,
        linear_url=f"https://linear.example/{number}",
        created_by_user=conversation.imported_by_user,
    )


def make_archive(number: int) -> Archive:
    user = get_or_make_user(email=f"person{number}@example.org")
    run = Run.objects.create(kind=Run.Kind.BULK, state=Run.State.DONE, user=user)
    return making.make_archive(user, "A secret", filename="secret.zip", run=run)


def make_request(number: int) -> LinearProjectRequest:
    version = make_version(number)
    return LinearProjectRequest.objects.create(
        conversation=version.project_draft.conversation,
        title=f"Project {number}",
        description="z" * 15_000,
        draft_version=version,
        user=version.created_by_user,
        run=version.run,
        asked_at=timezone.now(),
        check_at=timezone.now(),
    )


MAKERS = [make_draft, make_version, make_project, make_archive, make_request]


@pytest.mark.parametrize("make", MAKERS)
def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client, make: Make) -> None:
    check_pages(olivias, make)


@pytest.mark.parametrize("make", MAKERS)
def test_it_lets_nobody_but_operators_in(bobs: Client, make: Make) -> None:
    check_closed(bobs, Client(), make(1))


@pytest.mark.parametrize("make", MAKERS)
def test_it_keeps_history_as_it_is(olivias: Client, make: Make) -> None:
    check_read_only(olivias, make(1))


@pytest.mark.parametrize("make", MAKERS)
def test_lists_read_no_long_text(olivias: Client, make: Make) -> None:
    row = make(1)
    with CaptureQueriesContext(connection) as queries:
        list_page(olivias, type(row))
    sql = " ".join(query["sql"] for query in queries)
    assert row._meta.db_table in sql
    for column in ('"filename"', "imported_chat", "import_report", '"description"', '"payload"', '"partial"'):
        assert column not in sql


@pytest.mark.parametrize("make", [make_version, make_project])
def test_it_cuts_a_long_description(olivias: Client, make: Make) -> None:
    shown = detail_page(olivias, make(1))
    assert "z" * 10_000 in shown
    assert "z" * 10_001 not in shown
    assert "the first 10,000 of 15,000 characters" in shown


def test_it_leads_from_a_version_to_its_draft_run_and_author(olivias: Client) -> None:
    version = make_version(1)
    shown = detail_page(olivias, version)
    assert f'href="/admin/drafts/projectdraft/{version.project_draft_id}/change/"' in shown
    assert f'href="/admin/conversations/run/{version.run_id}/change/"' in shown
    assert f'href="/admin/accounts/user/{version.created_by_user_id}/change/"' in shown


def test_it_finds_versions_by_the_title_of_their_conversation(olivias: Client) -> None:
    make_version(1)
    make_version(2)
    shown = list_page(olivias, DraftVersion, "?q=Conversation 2")
    assert "Draft &lt;2&gt;" in shown
    assert "Draft &lt;1&gt;" not in shown


def test_it_shows_no_operator_what_an_archive_holds(olivias: Client) -> None:
    archive = make_archive(1)
    for shown in (detail_page(olivias, archive), list_page(olivias, Archive)):
        assert "person1@example.org" in shown
        assert "secret" not in shown
    assert olivias.get("/admin/drafts/archiveentry/").status_code == 404
