"""Who may do what: every route of the URL configuration, asked by everybody, in both modes.

A route without a row here fails, so that nobody adds one without saying whose it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import Client

from accounts import keys, services
from accounts.models import READ_SCOPES, SCOPES, User, UserSession
from config.tests.api_routes import Route, api_routes, page_paths, row_counts, send
from config.tests.making import make_archive, make_conversation, make_draft, make_file, make_turn
from conftest import make_user, signed_in
from conversations.models import ImportedSummary

CANARY = "Ruritania"
READ, WRITE, IMPORT = "conversations:read", "conversations:write", "conversations:import"
SEARCH = "search:read"
CAST = ("alice", "bob", "olivia")
CONVERSATION, DRAFT = "/api/conversations/{conversation_id}", "/api/conversations/{conversation_id}/project-draft"


class Row(NamedTuple):
    """`whose` is one of the rules of `expected`; a key needs `scope`, or is not let in; who may gets `answer`."""

    whose: str
    scope: str = ""
    answer: int = 200


ROWS = {
    "GET /api/auth/login": Row("public", answer=503),  # Google is not configured
    "GET /api/auth/callback": Row("public", answer=302),
    "GET /api/auth/status": Row("public"),
    "POST /api/auth/logout": Row("public"),
    "GET /api/auth/login-link/{token}": Row("link", answer=410),
    "GET /api/auth/me": Row("everybody"),
    "GET /api/auth/sessions": Row("everybody"),
    "DELETE /api/auth/sessions": Row("everybody"),
    "DELETE /api/auth/sessions/{session_id}": Row("alice"),
    "DELETE /api/auth/cleanup": Row("operators"),
    "GET /api/conversations": Row("everybody", READ),
    "POST /api/conversations/import": Row("everybody", IMPORT),
    "POST /api/conversations/import-file": Row("everybody", IMPORT),
    "POST /api/conversations/import-slack": Row("keys", "import:slack", 403),  # under somebody whom no key may name
    f"GET {CONVERSATION}": Row("shared", READ),
    f"PATCH {CONVERSATION}": Row("shared", WRITE),
    f"DELETE {CONVERSATION}": Row("owner", WRITE),
    f"POST {CONVERSATION}/restore": Row("owner", WRITE),  # of deleted ones, `conversations/tests/test_hidden.py` knows
    f"GET {CONVERSATION}/imported_chat_summary": Row("shared", READ),
    f"PATCH {CONVERSATION}/summary": Row("shared", WRITE),
    f"GET {CONVERSATION}/runs": Row("shared", READ),
    f"GET {CONVERSATION}/usage": Row("shared", READ),
    f"GET {CONVERSATION}/project": Row("shared", READ, 404),  # it has not become one
    f"POST {CONVERSATION}/project": Row("shared", "projects:create", 503),  # Linear is not configured
    f"GET {DRAFT}": Row("shared", READ),
    f"PATCH {DRAFT}": Row("shared", WRITE),
    f"GET {DRAFT}/versions": Row("shared", READ),
    f"GET {DRAFT}/versions/compare": Row("shared", READ),
    f"GET {DRAFT}.md": Row("shared", READ),
    f"POST {DRAFT}/versions/{{version_id}}/activate": Row("shared", WRITE),
    f"POST {DRAFT}/generate": Row("shared", WRITE),
    f"GET {DRAFT}/chat": Row("shared", READ),
    f"POST {DRAFT}/chat/stream": Row("shared", WRITE),
    f"POST {DRAFT}/chat/regenerate": Row("shared", WRITE),
    "GET /api/imports": Row("everybody", READ),
    "POST /api/imports": Row("everybody", IMPORT, 422),  # it takes a file
    "GET /api/imports/{import_id}": Row("alice", READ),
    "DELETE /api/imports/{import_id}": Row("alice", IMPORT),
    "POST /api/imports/{import_id}/start": Row("alice", IMPORT),
    f"GET {CONVERSATION}/files": Row("shared", READ),
    f"POST {CONVERSATION}/files": Row("shared", WRITE),
    "GET /api/conversations/files/{file_id}/download": Row("shared", READ, 302),
    "GET /api/conversations/files/{file_id}/thumbnail": Row("shared", READ, 302),
    "POST /api/conversations/files/{file_id}/extract": Row("shared", WRITE, 202),
    "DELETE /api/conversations/files/{file_id}": Row("shared", WRITE, 204),
    "GET /api/runs": Row("everybody", READ),
    "GET /api/runs/{run_id}": Row("shared", READ),
    "GET /api/runs/{run_id}/events": Row("shared", READ),
    "POST /api/runs/{run_id}/cancel": Row("shared", WRITE, 202),
    "POST /api/runs/{run_id}/approve": Row("shared", answer=409),  # it waits for nothing
    "POST /api/runs/{run_id}/retry": Row("shared", WRITE, 409),  # it has not failed
    "GET /api/integrations": Row("operators"),
    "GET /api/llm-defaults/providers": Row("everybody", READ),
    "GET /api/llm-defaults/{prompt_type}": Row("everybody", READ),
    "PUT /api/llm-defaults/{prompt_type}": Row("operators"),
    "GET /api/llm-prompts/{prompt_type}": Row("everybody", READ),
    "POST /api/llm-prompts/{prompt_type}": Row("operators"),
    "DELETE /api/llm-prompts/{prompt_type}": Row("operators"),
    "GET /api/llm-prompts/{prompt_type}/default": Row("everybody", READ),
    "GET /api/llm-prompts/{prompt_type}/versions": Row("everybody", READ),
    "POST /api/llm-prompts/{prompt_type}/versions/{version}/activate": Row("operators"),
    "GET /api/search": Row("everybody", SEARCH, 422),  # of what is found, `search/tests/test_access.py` knows
    "GET /api/search/similar": Row("everybody", SEARCH, 422),
}
ROUTES = api_routes()


class Caller(NamedTuple):
    """`person` is whom the caller acts as; None for nobody. `scopes` is None for a person's own browser."""

    client: Client
    person: str | None
    scopes: list[str] | None = None


class Cast(NamedTuple):
    ids: dict[str, Any]
    callers: dict[str, Caller]


def with_key(key: str, client: Client | None = None) -> Client:
    client = client or Client()
    client.defaults["HTTP_X_API_KEY"] = key
    return client


def everything_of(alice: User) -> dict[str, Any]:
    """The parameters of a path that leads to what is Alice's."""
    conversation = make_conversation(alice, CANARY, imported_chat=[{"role": "user", "content": CANARY}])
    ImportedSummary.objects.create(conversation=conversation, summary=CANARY)
    draft = make_draft(conversation, CANARY, CANARY)
    run = make_turn(draft, CANARY, CANARY, event_seq=5, partial=CANARY)
    services.open_session(user=alice)
    return {
        "conversation_id": conversation.pk,
        "file_id": make_file(conversation, CANARY).pk,
        "version_id": draft.versions.earliest("version_number").pk,
        "run_id": run.id,
        "session_id": UserSession.objects.latest("id").pk,
        "import_id": make_archive(alice, CANARY).id,
        "prompt_type": "project_draft_chat",
        "version": 0,
        "token": "spent",
    }


def without(scope: str, alice: User) -> Caller:
    """A key with all scopes but one."""
    others = sorted(set(SCOPES) - {scope})
    return Caller(with_key(keys.create(service_name="lacking", scopes=others, user=alice)), "alice", others)


@pytest.fixture(scope="module")
def known(module_db: None) -> Cast:
    """Everybody who could ask, and what they ask for."""
    alice, bob, olivia = (make_user(f"{name}@example.org", operator=name == "olivia") for name in CAST)
    callers = {user.name: Caller(signed_in(user), user.name) for user in (alice, bob, olivia)}
    dora = make_user("dora@example.org")
    callers |= {"nobody": Caller(Client(), None), "dora": Caller(signed_in(dora), None)}
    User.objects.filter(pk=dora.pk).update(is_active=False)
    for user in (alice, bob, olivia):
        key = keys.create(service_name=f"{user.name}'s", scopes=SCOPES, user=user)
        callers[f"key of {user.name}"] = Caller(with_key(key), user.name, list(SCOPES))
    key = keys.create(service_name="reader", scopes=READ_SCOPES)
    callers["key of nobody"] = Caller(with_key(key), "a reader", READ_SCOPES)
    revoked = keys.create(service_name="revoked", scopes=SCOPES, user=alice)
    keys.revoke(prefix=revoked[:11])
    callers["revoked key beside a good cookie"] = Caller(with_key(revoked, signed_in(alice)), None)
    return Cast(everything_of(alice), callers)


@pytest.fixture
def cast(known: Cast, db: None) -> Cast:
    """The same with clients of this test's own, which may be signed out."""
    callers = {name: caller._replace(client=like(caller.client)) for name, caller in known.callers.items()}
    return Cast(known.ids, callers)


def like(client: Client) -> Client:
    other = Client()
    other.defaults |= client.defaults
    for name, morsel in client.cookies.items():
        other.cookies[name] = morsel.value
    return other


def is_reached(caller: Caller, visibility: str) -> bool:
    """Whether Alice's conversation is there for this caller: for operators only as persons, not by their keys."""
    is_operator = caller.person == "olivia" and caller.scopes is None
    return caller.person is not None and (visibility == "workspace" or caller.person == "alice" or is_operator)


def expected(row: Row, caller: Caller, visibility: str) -> int:
    is_signed_in = caller.person is not None and caller.scopes is None
    if row.whose in {"public", "link"}:
        return 302 if row.whose == "link" and is_signed_in else row.answer
    if caller.person is None or (caller.scopes is not None and not row.scope):
        return 401
    if caller.scopes is not None and row.scope not in caller.scopes:
        return 403
    if row.whose == "keys" and is_signed_in:
        return 403
    is_operator = is_signed_in and caller.person == "olivia"
    if row.whose == "operators" and not is_operator:
        return 403
    if row.whose == "alice" and caller.person != "alice":
        return 404
    if row.whose in {"shared", "owner"} and not is_reached(caller, visibility):
        return 404
    if row.whose == "owner" and caller.person != "alice" and not is_operator:
        return 403
    return row.answer


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def what_is_stored() -> dict[str, int]:
    return {table: count for table, count in row_counts().items() if table != "audit_events"}


def test_it_has_a_row_for_each_route() -> None:
    assert {str(route) for route in ROUTES} == set(ROWS)


@pytest.mark.parametrize("visibility", ["workspace", "private"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_it_lets_those_in_who_may_and_nobody_else(
    cast: Cast, alice: User, settings: Any, route: Route, visibility: str
) -> None:
    settings.VISIBILITY = visibility
    row = ROWS[str(route)]
    lacking, before = without(row.scope, alice), what_is_stored()
    for name, caller in [*cast.callers.items(), ("a key without the scope", lacking)]:
        with undone():
            response = send(caller.client, route, cast.ids)
            assert response.status_code == expected(row, caller, visibility), (name, response.content[:200])
            if response.status_code in {401, 403, 404}:
                assert what_is_stored() == before, name
            if not is_reached(caller, visibility):
                assert CANARY.encode() not in response.content, name


@pytest.mark.parametrize("visibility", ["workspace", "private"])
def test_it_lists_what_may_be_seen(cast: Cast, settings: Any, visibility: str) -> None:
    settings.VISIBILITY = visibility
    for name in ("alice", "bob", "olivia", "key of alice", "key of bob", "key of olivia", "key of nobody"):
        caller = cast.callers[name]
        shown = caller.client.get("/api/conversations").json()["conversations"]
        assert bool(shown) == is_reached(caller, visibility), name


def test_it_says_which_scope_a_key_lacks(cast: Cast, alice: User) -> None:
    lacking = {scope: without(scope, alice) for scope in (READ, WRITE)}
    for route in ROUTES:
        if (scope := ROWS[str(route)].scope) in lacking:
            document = send(lacking[scope].client, route, cast.ids).json()
            assert (document["code"], document["required_scope"]) == ("missing_scope", scope)


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

PUBLIC_PAGES = {
    *{"/", "/health", "/health/ready", "/problems/1", "/openapi.json", "/docs", "/redoc", "/admin/login/"},
    "/files/1",  # by its signature
}
BACK_OFFICE = [
    path for path in page_paths() if path.startswith("/admin/") and path not in {*PUBLIC_PAGES, "/admin/logout/"}
]


def test_it_knows_every_page() -> None:
    assert set(page_paths()) - set(BACK_OFFICE) == {*PUBLIC_PAGES, "/admin/logout/"}
    assert len(BACK_OFFICE) > 40


def is_shut_out(ask: Callable[..., Any], path: str) -> bool:
    response = ask(path)
    return response.status_code == 302 and str(response["Location"]).startswith("/admin/login/")


@pytest.mark.parametrize("name", ["nobody", "bob", "dora", "key of olivia"])
def test_it_shuts_the_back_office_to_all_but_operators(cast: Cast, name: str) -> None:
    client, before = cast.callers[name].client, what_is_stored()
    assert [
        path for path in BACK_OFFICE if not (is_shut_out(client.get, path) and is_shut_out(client.post, path))
    ] == []
    assert what_is_stored() == before


def test_it_opens_the_back_office_to_operators(cast: Cast) -> None:
    client = cast.callers["olivia"].client
    assert [path for path in BACK_OFFICE if is_shut_out(client.get, path)] == []


def test_it_gives_an_operators_key_no_operators_session(olivia: User) -> None:
    key = keys.create(service_name="ops", scopes=SCOPES, user=olivia)
    client = with_key(key, signed_in(olivia))
    assert is_shut_out(client.get, "/admin/")
    assert client.get("/api/auth/status").json()["authenticated"] is False
    assert client.get("/api/auth/me").status_code == 401
