"""What the document says of each operation, and that the server does as it says."""

import inspect
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from config.openapi.operations import OPERATIONS
from config.openapi.refusals import GENERAL, MEMBERS, is_shared, response
from config.spectacular import SPECTACULAR
from config.tests import openapi
from config.tests.api_routes import Route, _patterns, send
from config.tests.test_access_matrix import ROWS, everything_of, undone
from conftest import signed_in

WHERE = "Give it a row of OPERATIONS in the `examples.py` of its app (config/openapi/operations.py for none)."
DOCUMENTED = openapi.operations()
REPEATING = re.compile(r"\b(once|answer_once|stream_of)\(")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_shows_an_example_of_what_each_operation_takes_and_answers(name: str) -> None:
    route, operation = DOCUMENTED[name]
    assert operation.get("summary", "").strip(), f"{route} has no summary: give its `extend_schema` one."
    for media_type, body in openapi.bodies(operation.get("requestBody", {})):
        member = "form" if media_type.startswith("multipart/") else "request"
        assert openapi.examples(body), f"{name} ({route}) shows no {media_type} that it takes: `{member}`. {WHERE}"
    for status, answer in openapi.answers(operation):
        for media_type, body in openapi.bodies(answer):
            member = "stream" if media_type == "text/event-stream" else "answer"
            is_shown = openapi.examples(body) or media_type == "text/html"
            assert is_shown, f"{name} ({route}) shows no {media_type} of its {status}: `{member}`. {WHERE}"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_its_examples_are_what_its_schemas_say(name: str) -> None:
    _, operation = DOCUMENTED[name]
    for part in [operation.get("requestBody", {}), *(answer for _, answer in openapi.answers(operation))]:
        for media_type, body in openapi.bodies(part):
            for example in openapi.examples(body):
                assert openapi.faults(body["schema"], example) == [], f"The {media_type} example of {name}. {WHERE}"
                assert openapi.unknown_members(body["schema"], example) == [] or media_type.endswith("problem+json")


def test_it_has_no_row_of_an_operation_that_is_gone() -> None:
    assert set(OPERATIONS) - set(DOCUMENTED) == set()


def test_it_says_what_each_group_of_operations_is_for() -> None:
    told = {tag["name"]: tag["description"] for tag in openapi.document()["tags"]}
    assert set(told) == {tag for _, operation in DOCUMENTED.values() for tag in operation["tags"]}
    assert all(told.values())


def test_it_notices_an_example_that_is_wrong() -> None:
    schema = {"$ref": "#/components/schemas/ProjectDraft"}
    draft = openapi.examples(DOCUMENTED["project_draft_retrieve"][1]["responses"]["200"]["content"]["application/json"])
    assert openapi.faults(schema, draft[0]["project_draft"]) == []
    assert openapi.faults(schema, draft[0]["project_draft"] | {"conversation_id": "42"}) != []
    assert openapi.faults(schema, draft[0]["project_draft"] | {"created_at": "yesterday"}) != []
    assert openapi.faults(schema, {}) != []
    assert openapi.unknown_members(schema, draft[0]["project_draft"] | {"colour": "red"}) == ["colour"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_describes_and_types_each_parameter(name: str) -> None:
    route, operation = DOCUMENTED[name]
    found = openapi.parameters(operation)
    assert {parameter["name"] for parameter in found if parameter["in"] == "path"} == set(route.parameters)
    for parameter in found:
        assert parameter["schema"], parameter
        assert parameter.get("description"), f"{route} does not say what `{parameter['name']}` is."
        if parameter["in"] == "path" and parameter["name"] in {"run_id", "import_id"}:
            assert parameter["schema"] == {"type": "string", "format": "uuid"}
        elif parameter["in"] == "path" and parameter["name"].endswith("_id"):
            assert parameter["schema"] == {"type": "integer", "format": "int64", "minimum": 1}


def test_it_says_which_members_of_an_answer_may_be_missing() -> None:
    schemas = openapi.document()["components"]["schemas"]
    maybe = {
        f"{component}.{member}"
        for component, schema in schemas.items()
        if not component.endswith("Request")
        for member in set(schema.get("properties", {})) - set(schema.get("required", []))
    }
    assert {name for name in maybe if not name.startswith("ImportReport.")} == {
        "Problem.errors", "PreconditionFailed.errors",
        "ConversationList.total", "ConversationList.total_is_capped",
        "OldStreamLine.code",
        "ConversationPart.imported_chat_total", "ConversationPart.imported_chat_next",
    }  # fmt: skip


def test_it_is_as_strict_about_requests_as_the_server() -> None:
    schemas = openapi.document()["components"]["schemas"]
    assert schemas["EditRequest"]["required"] == ["description", "title"]
    assert schemas["EditRequest"]["properties"]["title"] == {"type": "string", "minLength": 1, "maxLength": 80}
    assert schemas["SendRequest"]["properties"]["attachment_ids"]["maxItems"] == 10
    assert schemas["ImportTextRequest"]["required"] == ["text"]
    assert "file" not in schemas["ImportTextRequest"]["properties"]
    assert schemas["ImportFileRequest"]["properties"]["file"] == {"type": "string", "format": "binary"}
    assert not [name for name in schemas if name.startswith("Patched")]


def test_its_enums_have_names_that_we_chose() -> None:
    schemas = openapi.document()["components"]["schemas"]
    enums = {name for name, schema in schemas.items() if "enum" in schema}
    assert enums == set(SPECTACULAR["ENUM_NAME_OVERRIDES"]), "Name it in ENUM_NAME_OVERRIDES of config/spectacular.py."


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_says_who_may_ask(name: str) -> None:
    route, operation = DOCUMENTED[name]
    row = ROWS[str(route)]
    if row.whose in {"public", "link"}:
        assert operation.get("security", []) == []
        return
    person: list[dict[str, list[str]]] = [] if row.whose == "keys" else [{"session": []}]
    assert operation["security"] == [*person, *([{"serviceKey": [row.scope]}] if row.scope else [])]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_names_the_headers_of_answers(name: str) -> None:
    row = OPERATIONS[name]
    for status, answer in openapi.answers(DOCUMENTED[name][1]):
        headers = set(answer.get("headers", {}))
        assert "X-Request-Id" in headers or status == 410, status
        assert ("Retry-After" in headers) is (status in {429, 503})
        assert ("X-Run-Id" in headers) is bool(row.stream and status < 400)
        assert ("Idempotent-Replayed" in headers) is (row.honours_key and status < 400)
        assert ("Location" in headers) is (status == 302 or ("Location" in row.headers and status < 400))


def test_it_documents_the_key_of_exactly_those_that_honour_it() -> None:
    views = {str(route): view for route, view in methods_of_views()}
    honouring = {
        name for name, (route, _) in DOCUMENTED.items() if REPEATING.search(inspect.getsource(views[str(route)]))
    }
    assert len(honouring) >= 10
    for name, (_, operation) in DOCUMENTED.items():
        told = "Idempotency-Key" in {parameter["name"] for parameter in openapi.parameters(operation)}
        assert told is (name in honouring), f"{name}: `honours_key`. {WHERE}"


def methods_of_views() -> list[tuple[Route, Any]]:
    """What each route calls."""
    found = []
    for path, pattern in _patterns(get_resolver().url_patterns, "/"):
        view: Any = pattern.callback
        if path.startswith("/api/"):
            template = re.sub(r"<\w+:(\w+)>", r"{\1}", path)
            actions = getattr(view, "actions", None) or {method: method for method in ("get", "post", "put", "delete")}
            found += [
                (Route(method, template), getattr(view.cls, action))
                for method, action in actions.items()
                if hasattr(view.cls, action)
            ]
    return found


def test_it_shows_a_problem_for_each_code_that_it_names() -> None:
    for name, (_, operation) in DOCUMENTED.items():
        for status, answer in openapi.answers(operation):
            shown = [example for _, body in openapi.bodies(answer) for example in openapi.examples(body)]
            if status < 400 or not shown:
                continue
            assert {problem["status"] for problem in shown} == {status}, name
            own = OPERATIONS[name].codes.get(status, GENERAL.get(status, ()))
            assert set(own) <= {problem["code"] for problem in shown}, name


def test_its_answers_are_what_it_says(alice: Any, olivia: Any) -> None:
    ids = everything_of(alice)
    clients = {"operators": signed_in(olivia)}
    checked = 0
    for name, (route, operation) in DOCUMENTED.items():
        row = ROWS[str(route)]
        if row.whose in {"keys", "link"}:  # what those are answered is tested where they are
            continue
        with undone():
            response = send(clients.get(row.whose) or signed_in(alice), route, ids)
            assert response.status_code == row.answer, name
            assert faults_of(response, openapi.resolved(operation["responses"][str(row.answer)])) == [], name
            checked += 1
    assert checked > 50


def faults_of(response: Any, answer: dict[str, Any]) -> list[str]:
    """What of a real answer is not as documented."""
    missing = [name for name in answer["headers"] if name != "Idempotent-Replayed" and not response.has_header(name)]
    content = dict(openapi.bodies(answer))
    media_type = response.get("Content-Type", "").partition(";")[0]
    if not content:
        return missing + (["a body"] if response.content else [])
    if media_type not in content:
        return [*missing, media_type]
    if media_type == "text/event-stream":
        return missing
    schema = content[media_type]["schema"]
    told = response.json() if media_type.endswith("json") else response.content.decode()
    unknown = [] if response.status_code >= 400 else openapi.unknown_members(schema, told)
    return missing + openapi.faults(schema, told) + unknown


def test_it_reads_the_key_of_each_that_it_says_honours_one(alices: Client, alice: Any) -> None:
    ids = everything_of(alice)
    for name, (route, _) in DOCUMENTED.items():
        if OPERATIONS[name].honours_key and not OPERATIONS[name].form:
            refused = send(alices, route, ids, headers={"Idempotency-Key": "two words"})
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_idempotency_key"), name


def test_it_keeps_what_a_view_declares_of_a_refusal() -> None:
    schema, etag = {"$ref": "#/components/schemas/Conflict"}, {"ETag": {"schema": {"type": "string"}}}
    declared = {"headers": etag, "content": {"application/problem+json": {"schema": schema}}}
    answer = response(409, ["conflict"], declared)
    assert answer["content"]["application/problem+json"]["schema"] == schema
    assert set(answer["headers"]) == {"ETag", "X-Request-Id"}
    assert not is_shared(409, ["conflict"], declared)
    assert is_shared(409, ["conflict"], {})


def test_it_shows_the_members_that_a_code_has_of_its_own(alices: Client) -> None:
    shown = openapi.document()["components"]["examples"]
    for code, members in MEMBERS.items():
        assert [name for name in shown if name.endswith(f"_{code}")], code
        assert all(members.items() <= shown[name]["value"].items() for name in shown if name.endswith(f"_{code}"))
    refused = alices.get("/api/search", {"q": " "}).json()
    assert MEMBERS["blank_query"].items() <= refused.items()
