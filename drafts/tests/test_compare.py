"""What has changed between two versions, who made each, and the draft as a document."""

from typing import Any
from urllib.parse import unquote

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from config.tests.api_routes import check_refused
from config.tests.making import make_conversation, make_draft, make_run
from conversations.models import Run
from drafts.models import DraftVersion, ProjectDraft
from drafts.services import Author, add_version

FIRST, SECOND = "# Goal\n\nA lamp of brass.\n", "# Goal\n\nA lamp of steel.\n\nBy June."


@pytest.fixture
def draft(alice: User) -> ProjectDraft:
    draft = make_draft(make_conversation(alice), "Lamp")
    DraftVersion.objects.filter(project_draft=draft).update(description=FIRST)
    add_version(draft=draft, title="Big lamp", description=SECOND, user=alice, is_manual_edit=True)
    draft.refresh_from_db()
    return draft


def url(draft: ProjectDraft, rest: str = "") -> str:
    return f"/api/conversations/{draft.conversation_id}/project-draft{rest}"


def ids(draft: ProjectDraft) -> list[int]:
    return list(draft.versions.order_by("version_number").values_list("pk", flat=True))


def compared(client: Client, draft: ProjectDraft, old: Any, new: Any) -> Any:
    return client.get(url(draft, "/versions/compare"), {"from": old, "to": new})


# ── Comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_says_what_has_changed(alices: Client, draft: ProjectDraft) -> None:
    answer = compared(alices, draft, *ids(draft))
    assert answer.status_code == 200
    body = answer.json()
    second, first = alices.get(url(draft, "/versions")).json()["versions"]
    assert (body["from"], body["to"]) == (first, second)
    assert body["title"] == {
        "segments": [
            {"op": "delete", "text": "Lamp"},
            {"op": "insert", "text": "Big lamp"},
        ]
    }
    assert body["description"] == {
        "is_coarse": False,
        "hunks": [
            {
                "from_start": 1,
                "from_lines": 3,
                "to_start": 1,
                "to_lines": 5,
                "lines": [
                    {"op": "equal", "from_line": 1, "to_line": 1, "segments": [{"op": "equal", "text": "# Goal\n"}]},
                    {"op": "equal", "from_line": 2, "to_line": 2, "segments": [{"op": "equal", "text": "\n"}]},
                    {
                        "op": "change",
                        "from_line": 3,
                        "to_line": 3,
                        "segments": [
                            {"op": "equal", "text": "A lamp of "},
                            {"op": "delete", "text": "brass"},
                            {"op": "insert", "text": "steel"},
                            {"op": "equal", "text": ".\n"},
                        ],
                    },
                    {"op": "insert", "from_line": None, "to_line": 4, "segments": [{"op": "insert", "text": "\n"}]},
                    {
                        "op": "insert",
                        "from_line": None,
                        "to_line": 5,
                        "segments": [{"op": "insert", "text": "By June."}],
                    },
                ],
            }
        ],
    }
    assert set(body) == {"from", "to", "title", "description"}


def test_it_finds_no_difference_between_a_version_and_itself(bobs: Client, draft: ProjectDraft) -> None:
    first = ids(draft)[0]
    body = compared(bobs, draft, first, first).json()
    assert body["description"] == {"is_coarse": False, "hunks": []}
    assert body["title"] == {"segments": [{"op": "equal", "text": "Lamp"}]}


def test_it_compares_backwards_too(alices: Client, draft: ProjectDraft) -> None:
    second, first = reversed(ids(draft))
    body = compared(alices, draft, second, first).json()
    assert (body["from"]["version_number"], body["to"]["version_number"]) == (2, 1)
    assert [line["op"] for line in body["description"]["hunks"][0]["lines"]][2:] == ["change", "delete", "delete"]


def test_it_knows_no_version_of_another_draft(alice: User, alices: Client, draft: ProjectDraft) -> None:
    own, other = ids(draft)[0], make_draft(make_conversation(alice, "Another")).active_version_id
    for old, new in ((own, other), (other, own), (own, 10**9), (own, 2**63), (10**40, own)):
        assert check_refused(compared(alices, draft, old, new), 404)["code"] == "version_not_found"


@pytest.mark.parametrize("value", ["", "abc", "0", "-1", "1.0", " 1", "１", "null", "9" * 5000])
@pytest.mark.parametrize("name", ["from", "to"])
def test_it_says_which_parameter_is_wrong(alices: Client, draft: ProjectDraft, name: str, value: str) -> None:
    parameters = {"from": ids(draft)[0], "to": ids(draft)[1]} | {name: value}
    document = check_refused(alices.get(url(draft, "/versions/compare"), parameters), 422)
    assert [error["field"] for error in document["errors"]] == [name]
    del parameters[name]
    document = check_refused(alices.get(url(draft, "/versions/compare"), parameters), 422)
    assert document["errors"] == [{"field": name, "detail": f"`{name}` is missing."}]


def test_it_compares_the_longest_texts(alice: User, alices: Client, draft: ProjectDraft) -> None:
    texts = ["".join(f"{sign} {number}\n" for number in range(23_000))[:200_000] for sign in ("a", "b")]
    made = [add_version(draft=draft, title="Long", description=text, user=alice) for text in texts]
    description = compared(alices, draft, made[0].pk, made[1].pk).json()["description"]
    assert description["is_coarse"]
    ((gone, new),) = [hunk["lines"] for hunk in description["hunks"]]
    assert [gone["segments"][0]["text"], new["segments"][0]["text"]] == texts


# ── By whom ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_says_who_or_what_made_each_version(alice: User, alices: Client, bob: User, bobs: Client) -> None:
    draft = make_draft(make_conversation(alice))
    run = make_run(bob, draft.conversation, kind=Run.Kind.GENERATE)
    texts: dict[str, Any] = {"draft": draft, "title": "T", "description": "By a model"}
    add_version(**texts, user=bob, run=run, tool_call="0.0", author=Author("openai/gpt-4o", 4))
    alices.patch(url(draft), {"title": "T", "description": "By hand"}, "application/json")
    alices.post(url(draft, f"/versions/{ids(draft)[1]}/activate"))
    restored, by_hand, by_model, first = bobs.get(url(draft, "/versions")).json()["versions"]
    names = ("created_by_user_id", "created_by_user_name", "created_by_user_email", "run_id", "model", "prompt_version")
    by_alice, by_bob = (alice.pk, "alice", alice.email), (bob.pk, "bob", bob.email)
    assert [tuple(version[name] for name in names) for version in (first, by_model, by_hand, restored)] == [
        (*by_alice, None, "", None),
        (*by_bob, str(run.pk), "openai/gpt-4o", 4),
        (*by_alice, None, "", None),
        (*by_alice, None, "openai/gpt-4o", 4),
    ]
    assert [version["restored_from"] for version in (first, by_model, by_hand, restored)] == [None, None, None, 2]
    assert bobs.get(url(draft)).json()["project_draft"]["active_version"] == restored


def test_it_asks_no_more_of_the_database_for_more_versions(alice: User, alices: Client, draft: ProjectDraft) -> None:
    counts = []
    for number in (1, 20):
        for each in range(number):
            add_version(draft=draft, title=f"{number} {each}", description="D", user=alice)
        with CaptureQueriesContext(connection) as queries:
            assert len(alices.get(url(draft, "/versions")).json()["versions"]) >= number
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("number", [0, 3, 4])
def test_it_can_restore_only_what_was_before(draft: ProjectDraft, number: int) -> None:
    with pytest.raises(IntegrityError, match="draft_versions_restored_from_check"):
        DraftVersion.objects.create(
            project_draft=draft, version_number=3, restored_from=number, created_by_user=draft.created_by_user
        )


# ── As a document ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_a_markdown_document(bobs: Client, draft: ProjectDraft) -> None:
    answer = bobs.get(url(draft, ".md"))
    assert (answer.status_code, answer.content.decode()) == (200, f"# Big lamp\n\n{SECOND}\n")
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert answer["Content-Disposition"] == 'inline; filename="Big lamp.md"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert bobs.get(url(draft, ".md/")).content == answer.content


def test_it_is_a_document_of_any_version(alices: Client, draft: ProjectDraft) -> None:
    first, second = ids(draft)
    assert alices.get(url(draft, ".md"), {"version_id": first}).content.decode() == f"# Lamp\n\n{FIRST}"
    assert alices.get(url(draft, ".md"), {"version_id": second}).content == alices.get(url(draft, ".md")).content


def test_it_answers_a_question_for_the_head_alone(alices: Client, draft: ProjectDraft) -> None:
    whole, head = alices.get(url(draft, ".md")), alices.head(url(draft, ".md"))
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Disposition", "Content-Length"):
        assert head[name] == whole[name]


@pytest.mark.parametrize(
    ("title", "name", "heading"),
    [
        ("Ein Leuchtturm für Öland 灯", "Ein Leuchtturm für Öland 灯.md", "# Ein Leuchtturm für Öland 灯"),
        ("Evil\r\nSet-Cookie: a=b", "Evil Set-Cookie a=b.md", "# Evil Set-Cookie: a=b"),
        ('../../etc/"passwd"', "etc passwd.md", '# ../../etc/"passwd"'),
        ("gpj.\u202eexe", "gpj. exe.md", "# gpj.\u202eexe"),
        ("\\\n?", "Draft.md", "# \\ ?"),
    ],
)
def test_it_is_named_after_its_title(alices: Client, draft: ProjectDraft, title: str, name: str, heading: str) -> None:
    alices.patch(url(draft), {"title": title, "description": "D"}, "application/json")
    answer = alices.get(url(draft, ".md"))
    disposition = answer["Content-Disposition"]
    given = disposition.partition("filename*=utf-8''")[2] or disposition.partition("filename=")[2].strip('"')
    assert unquote(given) == name
    assert disposition.isascii() and disposition.isprintable()
    assert answer.content.decode() == f"{heading}\n\nD\n"


def test_it_is_refused_with_a_problem(
    alice: User, alices: Client, bobs: Client, draft: ProjectDraft, settings: Any
) -> None:
    bare = make_conversation(alice, "Bare")
    assert check_refused(alices.get(f"/api/conversations/{bare.pk}/project-draft.md"), 404)["code"] == "draft_not_found"
    assert check_refused(alices.get(url(draft, ".md?version_id=999999")), 404)["code"] == "version_not_found"
    document = check_refused(alices.get(url(draft, ".md?version_id=one"), headers={"Accept": "text/markdown"}), 422)
    assert document["errors"][0]["field"] == "version_id"
    settings.VISIBILITY = "private"
    for path in (url(draft, ".md"), url(draft, f"/versions/compare?from={ids(draft)[0]}&to={ids(draft)[1]}")):
        assert check_refused(bobs.get(path), 404)["code"] == "conversation_not_found"
