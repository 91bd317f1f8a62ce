"""What no route may do with input that makes no sense: answer 2xx, answer 5xx, or store anything.

The routes are those of the URL configuration, their bodies and parameters those of the OpenAPI document, so that a
new route is tested as soon as it is there. One whose body needs a member that `BODY` lacks fails until that has one.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import UserSession
from accounts.services import open_session
from accounts.sessions import digest
from config.tests import openapi
from config.tests.api_routes import BODY, METHODS, Route, api_paths, api_routes, check_refused, row_counts, send
from config.tests.making import make_archive, make_conversation, make_draft, make_file, make_run, make_turn
from conftest import make_user
from conversations.models import Run
from llmconfig.models import LLMModel

ROUTES = [route for route in api_routes() if "token" not in route.parameters]  # that one answers with pages for people
WITH_ID = [route for route in ROUTES if route.parameters]
HUGE = 10**40
NO_INTEGERS = ["abc", "1.5", "1e3", "0x10", "%00", "%EF%BC%91", "1%20", "1%0A", "%ED%A0%80", "%FF", "null"]
BAD_IDS: dict[str, list[tuple[str, int]]] = {
    "conversation_id": [("0", 400), ("-1", 400), (str(2**63), 404), (str(HUGE), 404), *((i, 422) for i in NO_INTEGERS)],
    "version_id": [("0", 400), ("-1", 400), (str(2**63), 404), (str(HUGE), 404), *((i, 422) for i in NO_INTEGERS)],
    "file_id": [("0", 400), ("-1", 400), (str(2**63), 404), (str(HUGE), 404), *((i, 422) for i in NO_INTEGERS)],
    "session_id": [("0", 400), ("-1", 400), (str(2**63), 404), (str(HUGE), 404), *((i, 422) for i in NO_INTEGERS)],
    "run_id": [(i, 422) for i in ["0", "-1", str(HUGE), *NO_INTEGERS, "01a2033d-ae82-716c-8809-2432d111e24"]],
    "version": [("-1", 422), (str(2**63), 404), (str(HUGE), 404), *((i, 422) for i in NO_INTEGERS)],
    "import_id": [(i, 422) for i in ["0", "-1", str(HUGE), *NO_INTEGERS, "01a2033d-ae82-716c-8809-2432d111e24"]],
    "prompt_type": [(i, 400) for i in ["0", "nothing", "%00", "%ED%A0%80", "project_draft_chat%20", str(HUGE)]],
}
ANYTHING_GOES = {
    "GET /api/llm-prompts/{prompt_type}": {"prompt_type"},
    "GET /api/llm-prompts/{prompt_type}/default": {"prompt_type"},
}
"""An unknown task has an empty prompt, say clients of the former API (contract.md 1.10)."""


@pytest.fixture(scope="module")
def ids(module_db: None) -> dict[str, Any]:
    """The parameters of a path that leads to something which is there, and which Alice may change."""
    alice = make_user("alice@example.org")
    alice.user_permissions.set(Permission.objects.filter(content_type__app_label="llmconfig"))
    conversation = make_conversation(alice)
    draft = make_draft(conversation, "One", "Two")
    make_turn(draft, "A question", "An answer")
    return {
        "conversation_id": conversation.pk,
        "file_id": make_file(conversation).pk,
        "version_id": draft.versions.earliest("version_number").pk,
        "run_id": make_run(alice, conversation, kind=Run.Kind.IMPORT, event_seq=5).id,
        "session_id": UserSession.objects.get(session_key=digest(open_session(user=alice))).pk,
        "import_id": make_archive(alice, "One").id,
        "prompt_type": "project_draft_chat",
        "version": 0,
    }


@pytest.fixture
def refused(alices: Client, ids: dict[str, Any]) -> Iterator[Any]:
    """Sends a request that must be refused; in the end, no row may have come or gone."""
    before = row_counts()

    def refuse(route: Route, *statuses: int, **request: Any) -> dict[str, Any]:
        return check_refused(send(alices, route, request.pop("ids", ids), **request), *statuses)

    yield refuse
    assert row_counts() == before


def body_schema(document: dict[str, Any], route: Route) -> dict[str, Any] | None:
    """The schema of a route's JSON body; None if it takes none."""
    content = document["paths"][route.template][route.method].get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema


def valid_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: BODY[name] for name in schema["properties"] if name in BODY or name in schema.get("required", [])}


def texts(schema: dict[str, Any]) -> list[str]:
    """Members that hold free text."""
    members = schema["properties"].items()
    return [name for name, kind in members if kind.get("type") == "string" and kind.get("format") != "binary"]


DOCUMENT = openapi.document()
WITH_BODY = [route for route in ROUTES if body_schema(DOCUMENT, route)]
REQUIRING = [route for route in WITH_BODY if (body_schema(DOCUMENT, route) or {}).get("required")]


def each(routes: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=str)


# ── Ids, methods, content types ───────────────────────────────────────────────────────────────────────────────────────


@each(WITH_ID)
def test_it_refuses_an_id_that_cannot_be(route: Route, refused: Any, ids: dict[str, Any]) -> None:
    for parameter in set(route.parameters) - ANYTHING_GOES.get(str(route), set()):
        for bad, status in BAD_IDS[parameter]:
            refused(route, status, ids=ids | {parameter: bad})


@each(WITH_ID)
def test_it_finds_nothing_under_an_id_that_nobody_has(route: Route, refused: Any, ids: dict[str, Any]) -> None:
    names = ["conversation_id", "file_id", "version_id", "session_id", "version"]
    unknown: dict[str, Any] = dict.fromkeys(names, 10**9)
    unknown["run_id"] = unknown["import_id"] = "01a2033d-ae82-716c-8809-2432d111e240"
    for parameter in set(route.parameters) & set(unknown):
        refused(route, 404, ids=ids | {parameter: unknown[parameter]})


@pytest.mark.parametrize(("path", "methods"), api_paths().items())
def test_it_refuses_other_methods(alices: Client, path: str, methods: list[str]) -> None:
    filled = path.replace("{", "").replace("}", "")
    for method in {*METHODS, "trace", "brew"} - set(methods):
        answer = alices.generic(method.upper(), filled)
        document = check_refused(answer, 405)
        assert document["code"] == "method_not_allowed"
        assert {name.lower() for name in answer["Allow"].split(", ")} >= set(methods)


@each(WITH_BODY)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonx", "json", ""],
)
def test_it_refuses_other_content_types(
    alices: Client, ids: dict[str, Any], refused: Any, route: Route, content_type: str
) -> None:
    answer = alices.generic(route.method.upper(), route.path(ids), json.dumps(BODY), content_type=content_type)
    assert check_refused(answer, 415)["code"] == "unsupported_type"


# ── Bodies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@each(WITH_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{]",
        b'{"title": "x",}',
        b"{'title': 'x'}",
        b"\xff\xfe{}",
        b'{"title": "\xed\xa0\x80"}',
        b'{"title": NaN}',
        b'{"title": Infinity}',
        b'{"title": -Infinity}',
        b"{} {}",
        b"\x00",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_it_refuses_a_body_that_is_no_json(refused: Any, route: Route, body: bytes) -> None:
    assert refused(route, 400, body=body)["code"] == "malformed"


@each(WITH_BODY)
def test_it_refuses_a_body_that_is_no_object(refused: Any, route: Route) -> None:
    for body in ([], [BODY], "text", 5, 1.5, True, None):
        refused(route, 422, body=body)


@each(WITH_BODY)
def test_it_refuses_text_that_cannot_be_stored(refused: Any, route: Route) -> None:
    schema = body_schema(DOCUMENT, route)
    assert schema
    for name in texts(schema):
        for text in ("\x00", "before\x00after", "\ud800", "\udc00", "\ude00\ud83d"):
            assert refused(route, 422, body=valid_body(schema) | {name: text})["code"] == "unstorable_text"
    for key in ("\x00", "\ud800"):
        refused(route, 422, body=valid_body(schema) | {key: "value"})
        refused(route, 422, body=valid_body(schema) | {"further": [{key: "value"}]})


@each(WITH_BODY)
def test_it_refuses_members_of_another_type(refused: Any, route: Route) -> None:
    schema = body_schema(DOCUMENT, route)
    assert schema
    body = valid_body(schema)
    no_text: list[Any] = [5, 1.5, True, None, ["text"], {"text": "text"}]
    no_number: list[Any] = ["text", None, {"id": 1}, [[]], ["abc"], [1.5], [None], HUGE, -HUGE, 1e300]
    for name in texts(schema):
        for value in no_text:
            refused(route, 422, body=body | {name: value})
    for name in set(schema["properties"]) - set(texts(schema)):
        for value in no_number:
            refused(route, 422, body=body | {name: value})


@each(REQUIRING)
def test_it_refuses_a_body_that_lacks_something(refused: Any, route: Route) -> None:
    schema = body_schema(DOCUMENT, route)
    assert schema
    body = valid_body(schema)
    refused(route, 422, body={})
    refused(route, 422, body=b"")
    for name in schema.get("required", []):
        without = {other: value for other, value in body.items() if other != name}
        refused(route, 422, body=without)
        refused(route, 422, body=body | {name: ""})
        assert refused(route, 422, body=_twice(body, name))["errors"][0]["field"] == name


def _twice(body: dict[str, Any], name: str) -> bytes:
    """The body with a second member of that name, which is the one that counts."""
    return json.dumps(body)[:-1].encode() + f', "{name}": []}}'.encode()


@each(REQUIRING)
def test_it_refuses_a_body_of_very_many_members(refused: Any, route: Route) -> None:
    body = b"{" + b",".join(b'"%d":1' % number for number in range(150_000)) + b"}"
    assert len(refused(route, 422, body=body).get("errors", [])) <= 50


def asks_a_model(route: Route) -> bool:
    """Whether a route names a model to be asked; choosing a default has the words of the former API for it."""
    return route.method == "post" and "llm_model" in (body_schema(DOCUMENT, route) or {})["properties"]


@each([route for route in WITH_BODY if asks_a_model(route)])
def test_it_refuses_a_model_that_cannot_be_asked(refused: Any, route: Route) -> None:
    LLMModel.objects.filter(model_id="gpt-4o-mini").update(is_active=False)
    schema = body_schema(DOCUMENT, route)
    assert schema
    for provider, model, code in [
        ("demo", "demo-2", "unknown_model"),
        ("nobody", "demo-1", "unknown_model"),
        ("openai", "gpt-4o-mini", "unknown_model"),
        ("openai", "gpt-4o", "provider_not_configured"),
        ("DEMO", "demo-1", "unknown_model"),
        ("demo", "demo-1 ", "unknown_model"),
    ]:
        body = valid_body(schema) | {"llm_provider": provider, "llm_model": model}
        assert refused(route, 422, body=body)["code"] == code


# ── Queries and headers ───────────────────────────────────────────────────────────────────────────────────────────────

BAD_VALUES = ["%00", "%ED%A0%80", "%FF", "x" * 5000, "-1", "1.5", "9" * 5000, "a%00b", "%F0%9F%97%BC"]


@each(ROUTES)
def test_it_refuses_parameters_of_a_query_that_cannot_be(refused: Any, route: Route) -> None:
    for name in query_parameters(route):
        for value in BAD_VALUES:
            refused(route, 400, 404, 422, query=f"?{name}={value}")


def query_parameters(route: Route) -> list[str]:
    """Those that not every text is a value of."""
    checked = [
        parameter
        for parameter in openapi.parameters(DOCUMENT["paths"][route.template][route.method])
        if parameter["schema"]["type"] != "boolean" and parameter["name"] not in {"q", "importer"}
    ]
    return [parameter["name"] for parameter in checked if parameter["in"] == "query"]


@each(ROUTES)
def test_it_is_not_brought_down_by_a_query_or_a_header(
    alices: Client, ids: dict[str, Any], route: Route, settings: Any
) -> None:
    settings.GOOGLE_CLIENT_ID = settings.GOOGLE_CLIENT_SECRET = "so that signing in is no 503"
    queries = [f"?{name}={value}" for name in ("limit", "state", "dialect", "after") for value in BAD_VALUES]
    for query in [*queries, "?" + "&" * 5000, "?%", "?" + "a=1&" * 2000]:
        assert send(alices, route, ids, body=b"[]", query=query).status_code < 500
    for value in (
        "9" * 5000,
        f"{ids['run_id']}:{'9' * 5000}",
        "\x00:1",
        "\ud83d:1".encode("utf-8", "replace").decode(),
    ):
        assert send(alices, route, ids, body=b"[]", headers={"Last-Event-ID": value}).status_code < 500
