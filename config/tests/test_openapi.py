import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from drf_spectacular.validation import validate_schema

from config.tests.api_routes import Route, api_routes

OPERATIONS = {
    "archive_create", "archive_destroy", "archive_list", "archive_retrieve", "archive_start",
    "auth_callback", "auth_cleanup", "auth_login", "auth_login_link", "auth_logout", "auth_me", "auth_status",
    "chat_list", "chat_regenerate", "chat_stream",
    "conversation_destroy", "conversation_imported_chat_summary", "conversation_list", "conversation_partial_update",
    "conversation_restore", "conversation_retrieve", "conversation_runs", "conversation_summary", "conversation_usage",
    "conversation_files_list", "conversation_files_upload",
    "file_destroy", "file_download", "file_extract", "file_thumbnail",
    "import_file_file", "import_link", "slack_import_create",
    "integration_list",
    "llm_default_providers", "llm_default_retrieve", "llm_default_update",
    "llm_prompt_activate", "llm_prompt_built_in", "llm_prompt_create", "llm_prompt_destroy", "llm_prompt_retrieve",
    "llm_prompt_versions",
    "project_create", "project_draft_activate", "project_draft_generate", "project_draft_partial_update",
    "project_draft_retrieve", "project_draft_versions", "project_retrieve",
    "project_draft_version_compare", "project_draft_version_markdown",

    "run_cancel", "run_decision_approve", "run_decision_retry", "run_events", "run_list", "run_retrieve",
    "search_list", "search_similar",
    "session_destroy", "session_destroy_others", "session_list",
}  # fmt: skip
"""Generated clients call these names: one may be added here, but none may change."""
TAGGED_READS = {"conversation_retrieve", "llm_prompt_retrieve", "project_draft_retrieve"}
TAGGED_WRITES = {
    "conversation_partial_update", "conversation_destroy",
    "llm_prompt_create", "llm_prompt_destroy", "llm_prompt_activate",
    "project_draft_partial_update", "project_draft_activate",
}  # fmt: skip


@pytest.fixture
def document(db: None, client: Client) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    body: dict[str, Any] = answer.json()
    return body


def operations(document: dict[str, Any]) -> dict[Route, dict[str, Any]]:
    return {
        Route(method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    validate_schema(document)


def test_it_names_each_operation_once(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]
    assert sorted(names) == sorted(set(names))
    assert set(names) == OPERATIONS


def test_it_is_the_same_document_after_the_routes_were_used(document: dict[str, Any], alices: Client) -> None:
    for route in api_routes():
        if route.method == "get":
            answer = alices.get(route.path(dict.fromkeys(route.parameters, "1")))
            assert answer.status_code != 401
    assert alices.get("/openapi.json").json() == document


def test_it_has_every_route_of_the_api_and_no_other(document: dict[str, Any]) -> None:
    assert set(operations(document)) == set(api_routes())


def test_it_says_of_each_operation_what_it_is_for_and_what_it_answers(document: dict[str, Any]) -> None:
    for route, operation in operations(document).items():
        assert operation.get("summary") and operation.get("tags"), route
        answers = {int(status) for status in operation["responses"]}
        assert any(status < 400 for status in answers), route
        assert {422, 500, 503} <= answers, route


def test_everything_it_refers_to_is_there(document: dict[str, Any]) -> None:
    names = set(re.findall(r"'#/components/(\w+/\w+)'", str(document)))
    assert names
    assert not [name for name in names if name.split("/")[1] not in document["components"][name.split("/")[0]]]


def test_it_asks_for_a_session_except_where_none_is_needed(document: dict[str, Any]) -> None:
    open_to_all = {
        operation["operationId"]
        for operation in operations(document).values()
        if {} in operation.get("security", [{}]) or "401" not in operation["responses"]
    }
    assert open_to_all == {"auth_status", "auth_logout", "auth_login_link", "auth_login", "auth_callback"}


def test_it_says_where_entity_tags_count(document: dict[str, Any]) -> None:
    """A 304 or 412 is documented exactly where the header is that asks for it."""
    for header, status, expected in (("If-None-Match", "304", TAGGED_READS), ("If-Match", "412", TAGGED_WRITES)):
        takes = {
            operation["operationId"]
            for operation in operations(document).values()
            if header in [parameter.get("name") for parameter in operation.get("parameters", [])]
        }
        answers = {name for name, operation in by_name(document).items() if status in operation["responses"]}
        assert takes == answers == expected
    for name in (TAGGED_READS | TAGGED_WRITES) - {"conversation_destroy"}:  # of which nothing is left
        assert by_name(document)[name]["responses"]["200"]["headers"]["ETag"]["required"], name


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for operation in operations(document).values()}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_its_pages_are_served_by_us_alone(db: None, client: Client, path: str) -> None:
    page = client.get(path)
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    html = page.content.decode()
    assert "/openapi.json" in html
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)["']""", html)
    assert len(addresses) >= (3 if path == "/docs" else 1)
    for address in addresses:
        assert address.startswith("/") and not address.startswith("//"), address
        assert size_of(client.get(address)) > 100
    assert not re.search(r"(?:url\(|@import|fetch\()\s*[\"']?https?:", html)


def size_of(answer: Any) -> int:
    assert answer.status_code == 200
    if isinstance(answer, HttpResponse):
        return len(answer.content)
    size = sum(len(block) for block in answer.streaming_content)
    answer.close()
    return size
