"""What the old SPA calls beside its streams, and what a browser was seen to do with it; see `config.tests.old_spa`."""

import sys
import time
from typing import Any

import httpx2
import pytest

from config.tests import test_old_spa_streams
from config.tests.old_spa import (
    ALICE,
    CONVERSATION,
    FILE,
    HIT,
    MESSAGE,
    MODEL,
    OPENAI,
    ORIGIN,
    PROJECT,
    ROW,
    TALK,
    USER,
    VERSION,
    OldSpaServer,
    Spa,
    check,
    check_draft,
)
from config.tests.old_spa_rows import ROWS, row
from config.tests.stack import wait_until
from integrations.tests.fixtures.files import image, pdf

MODELS, PROMPTS = "/llm-defaults/project_draft_chat", "/llm-prompts/project_draft_chat"


@pytest.fixture(scope="module")
def conversation(old_spa: OldSpaServer) -> int:
    """One that every test may read, and none changes."""
    return old_spa.imported(("user", "Which runner beans climb?"), TALK[1], title="Climbing beans")


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    named = vars(sys.modules[__name__]) | vars(test_old_spa_streams)
    tests = {name: test for name, test in named.items() if name.startswith("test_it_")}
    assert [name for name, test in tests.items() if not getattr(test, "rows", ())] == []
    assert {name for test in tests.values() for name in test.rows} == set(ROWS)


@row("9.01")
def test_it_sends_who_signs_in_to_google(old_spa: OldSpaServer) -> None:
    answer = httpx2.get(f"{old_spa.url}/api/auth/login", trust_env=False)
    assert answer.status_code == 302
    assert "/authorize?" in answer.headers["location"]


@row("9.02", "9.1.4")
def test_it_tells_who_is_signed_in(old_spa: OldSpaServer) -> None:
    status = old_spa.alice.call("GET", "/auth/status", headers={"Content-Type": "application/json"})
    assert status["authenticated"] is True
    check(status["user"], USER)
    stranger = Spa(old_spa.url)
    assert stranger.call("GET", "/auth/status")["authenticated"] is False
    assert stranger.refused(401, "GET", "/conversations?limit=500&offset=0")


@row("9.03")
def test_it_signs_out(old_spa: OldSpaServer) -> None:
    tab = old_spa.spa()
    cookie = tab.ask("POST", "/auth/logout").headers["set-cookie"]
    assert 'session_token=""' in cookie and "Max-Age=0" in cookie
    status = tab.call("GET", "/auth/status")
    assert (status["authenticated"], status["user"]) == (False, None)


@row("9.04", "9.1.5")
@pytest.mark.parametrize(
    ("query", "reason"), [("error=access_denied", "oauth_error"), ("code=x&state=unknown", "auth_failed|server_error")]
)
def test_it_lands_on_the_login_page_when_signing_in_fails(old_spa: OldSpaServer, query: str, reason: str) -> None:
    answer = httpx2.get(f"{old_spa.url}/api/auth/callback?{query}", trust_env=False)
    assert answer.status_code == 302
    page, _, error = answer.headers["location"].partition("?error=")
    assert page == f"{ORIGIN}/login"
    assert error in reason.split("|")


@row("9.05", "9.29")
def test_it_answers_what_nothing_calls(old_spa: OldSpaServer, conversation: int) -> None:
    check(old_spa.alice.call("GET", "/auth/me"), USER)
    assert old_spa.alice.call("GET", f"/conversations/{conversation}/files") == {"files": [], "file_count": 0}
    assert old_spa.alice.refused(403, "DELETE", "/auth/cleanup")
    body = {"url": "https://chatgpt.com/share/x", "user_id": 1}
    assert old_spa.alice.refused(403, "POST", "/conversations/import-slack", body)
    assert old_spa.alice.refused(405, "POST", "/search", {"query": "beans"})


@row("9.06")
@pytest.mark.parametrize("path", ["/conversations", "/conversations/"])
def test_it_lists_conversations(old_spa: OldSpaServer, conversation: int, path: str) -> None:
    listed = old_spa.alice.call("GET", path, params={"limit": 500, "offset": 0})["conversations"]
    for each in listed:
        check(each, ROW)
    mine = next(each for each in listed if each["id"] == conversation)
    assert (mine["title"], mine["project_draft_title"], mine["user_email"]) == ("Climbing beans", "Made up", ALICE)
    assert (mine["linear_url"], mine["last_user_message_content"], mine["is_locked"]) == (None, None, False)


@row("9.07")
def test_it_shows_a_conversation(old_spa: OldSpaServer, conversation: int) -> None:
    shown = old_spa.alice.call("GET", f"/conversations/{conversation}")
    check(shown, CONVERSATION)
    assert shown["imported_chat"][0] == {"role": "user", "content": "Which runner beans climb?"}
    assert [message["role"] for message in shown["imported_chat"]] == ["user", "assistant"]
    assert old_spa.alice.refused(404, "GET", "/conversations/999999")


@row("9.08")
def test_it_changes_the_title(old_spa: OldSpaServer) -> None:
    path = f"/conversations/{old_spa.imported()}"
    check(old_spa.alice.call("PATCH", path, {"title": "Ünew"})["conversation"], CONVERSATION)
    assert old_spa.alice.call("GET", path)["title"] == "Ünew"
    assert old_spa.alice.refused(422, "PATCH", path, {"title": ""})


@row("9.09")
def test_it_deletes_a_conversation(old_spa: OldSpaServer) -> None:
    path = f"/conversations/{old_spa.imported()}"
    assert old_spa.alice.call("DELETE", path)["message"]
    assert old_spa.alice.refused(404, "GET", path)


@row("9.10", "9.11")
def test_it_has_no_summary_until_there_is_one_and_takes_one_by_hand(old_spa: OldSpaServer) -> None:
    path = f"/conversations/{old_spa.imported()}"
    summary = old_spa.alice.ask("GET", f"{path}/imported_chat_summary")
    assert (summary.status_code, "error" in summary.json()) in {(404, True), (200, False)}  # the worker is that quick
    assert old_spa.alice.refused(404, "GET", "/conversations/999999/imported_chat_summary")
    assert old_spa.alice.call("PATCH", f"{path}/summary", {"summary": "Beans."})["summary"] == "Beans."
    assert old_spa.alice.call("GET", f"{path}/imported_chat_summary") == {"summary": "Beans."}
    assert old_spa.alice.refused(422, "PATCH", f"{path}/summary", {"summary": ""})


@row("9.14", "9.15", "9.18", "9.19")
def test_it_numbers_versions_without_a_gap(old_spa: OldSpaServer) -> None:
    path = f"/conversations/{old_spa.imported()}/project-draft"
    first = check_draft(old_spa.alice.call("GET", path)["project_draft"])
    edited = old_spa.alice.call("PATCH", path, {"title": "By hand", "description": "Mine"})["project_draft"]
    assert (check_draft(edited)["version_number"], edited["active_version"]["is_manual_edit"]) == (2, True)
    back = old_spa.alice.call("POST", f"{path}/versions/{first['version_id']}/activate")["project_draft"]
    assert (check_draft(back)["version_number"], back["active_version"]["title"]) == (3, first["title"])
    versions = old_spa.alice.call("GET", f"{path}/versions")["versions"]
    for version in versions:
        check(version, VERSION)
    assert [version["version_number"] for version in versions] == [3, 2, 1]
    assert old_spa.alice.refused(404, "POST", f"{path}/versions/999999/activate")
    assert old_spa.alice.refused(422, "PATCH", path, {"title": "x" * 81, "description": "Mine"})


@row("9.16", "9.17", "9.1.9")
def test_it_makes_a_project_and_locks_the_conversation(old_spa: OldSpaServer) -> None:
    number = old_spa.imported()
    path = f"/conversations/{number}"
    assert old_spa.alice.refused(404, "GET", f"{path}/project")
    body = {name: old_spa.alice.draft(number)[name] for name in ("title", "description")}
    old_spa.outside.linear.faults = ["refused"]
    assert old_spa.alice.refused(503, "POST", f"{path}/project", body)
    project = old_spa.alice.call("POST", f"{path}/project", body)["project"]
    check(project, PROJECT)
    assert old_spa.alice.call("GET", f"{path}/project")["project"] == project
    assert old_spa.alice.call("GET", path)["is_locked"] is True
    listed = old_spa.alice.call("GET", "/conversations?limit=500&offset=0")["conversations"]
    assert [each["linear_url"] for each in listed if each["id"] == number] == [project["linear_url"]]
    assert "locked" in old_spa.alice.refused(409, "POST", f"{path}/project", body)


@row("9.20", "9.23", "9.24", "9.1.8")
@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [("bean-ü.png", image(), "image/png"), ("plän.pdf", pdf("Beans"), "application/pdf")],
)
def test_it_keeps_a_file_with_its_message(old_spa: OldSpaServer, name: str, content: bytes, kind: str) -> None:
    path = f"/conversations/{old_spa.imported()}"
    file = old_spa.alice.call("POST", f"{path}/files", files={"file": (name, content)}, data=OPENAI)["file"]
    check(file, "id int, filename str, file_size int, file_type str, s3_key str, conversation_id int")
    assert (file["filename"], file["file_type"], file["file_size"]) == (name, kind, len(content))
    old_spa.alice.say(int(path.rpartition("/")[2]), "Look at this", attachment_ids=[file["id"]])
    messages = old_spa.alice.call("GET", f"{path}/project-draft/chat")["chat_messages"]
    for message in messages:
        check(message, MESSAGE)
    assert [(each["role"], each["sequence_number"]) for each in messages] == [("user", 1), ("assistant", 2)]
    check(messages[0]["attachments"][0], FILE)
    assert messages[0]["attachments"][0]["id"] == file["id"]
    shown = old_spa.alice.call("GET", path)
    assert (shown["has_images"], shown["has_pdfs"]) == (kind == "image/png", kind == "application/pdf")
    check_download(old_spa, file["id"], content, kind)


def check_download(old_spa: OldSpaServer, file_id: int, content: bytes, kind: str) -> None:
    """As an `<img>` or a new tab fetches it: with the cookie, and without an Origin."""
    cookies = {"session_token": old_spa.stack.cookie_for(ALICE)}
    with httpx2.Client(base_url=old_spa.url, cookies=cookies, trust_env=False) as tab:
        sent_on = tab.get(f"/api/conversations/files/{file_id}/download")
        assert sent_on.status_code == 302
        file = tab.get(sent_on.headers["location"])
    assert (file.status_code, file.content, file.headers["content-type"]) == (200, content, kind)
    assert file.headers["content-disposition"].startswith("inline") == (kind == "image/png")


@row("9.23", "9.1.9")
@pytest.mark.parametrize(
    ("files", "status"), [({"file": ("a.exe", b"MZ\x90\x00" * 9)}, 415), ({"file": ("a.txt", b"")}, 400), ({}, 400)]
)
def test_it_says_why_it_does_not_take_a_file(old_spa: OldSpaServer, files: Any, status: int) -> None:
    path = f"/conversations/{old_spa.imported()}/files"
    form = {name: (None, value) for name, value in OPENAI.items()} | files
    assert old_spa.alice.refused(status, "POST", path, files=form)


@row("9.25", "9.26")
def test_it_tells_and_changes_the_model_in_use(old_spa: OldSpaServer) -> None:
    providers = old_spa.alice.call("GET", "/llm-defaults/providers")["providers"]
    assert list(providers)[:3] == ["anthropic", "grok", "openai"]
    for models in providers.values():
        for model in models:
            check(model, MODEL)
    assert old_spa.alice.call("GET", MODELS)["current_default"] == OPENAI
    chosen = {"llm_provider": "anthropic", "llm_model": providers["anthropic"][0]["id"]}
    assert old_spa.alice.call("PUT", MODELS, chosen)["updated_default"] == chosen
    assert old_spa.spa("bob@example.org").call("GET", MODELS)["current_default"] == chosen
    assert old_spa.alice.refused(400, "PUT", MODELS, {"llm_provider": "openai", "llm_model": "no-such-model"})
    old_spa.alice.call("PUT", MODELS, OPENAI)


@row("9.27")
def test_it_reads_changes_and_resets_a_prompt(old_spa: OldSpaServer) -> None:
    built_in = old_spa.alice.call("GET", f"{PROMPTS}/default")
    check(built_in, "system_prompt str, is_default bool")
    mine = {"prompt_type": "project_draft_chat", "system_prompt": "Be brief."}
    check(old_spa.alice.call("POST", PROMPTS, mine), "system_prompt str, is_default bool")
    now = old_spa.alice.call("GET", PROMPTS)
    assert (now["system_prompt"], now["is_default"]) == ("Be brief.", False)
    assert old_spa.alice.refused(400, "POST", PROMPTS, mine | {"prompt_type": "project_draft_generation"})
    assert old_spa.alice.call("DELETE", PROMPTS)["message"]
    assert old_spa.alice.call("GET", PROMPTS)["system_prompt"] == built_in["system_prompt"]


def search(old_spa: OldSpaServer, sort_by: str, **more: Any) -> dict[str, Any]:
    query = {"q": "runner beans", "limit": 20, "offset": 0, "status": "all", "sort_by": sort_by, "sort_dir": "desc"}
    found: dict[str, Any] = old_spa.alice.call("GET", "/search", params=query | more)
    return found


@row("9.28", "9.1.1")
def test_it_finds_and_sorts_by_relevance_as_by_score(old_spa: OldSpaServer, conversation: int) -> None:
    old_spa.imported(("user", "Runner beans, and nothing but runner beans."), title="Runner beans")
    wait_until(lambda: len({hit["conversation_id"] for hit in search(old_spa, "score")["results"]}) > 1, 20)
    wait_until(lambda: conversation in {hit["conversation_id"] for hit in search(old_spa, "score")["results"]}, 20)
    found = search(old_spa, "score")
    for hit in found["results"]:
        check(hit, HIT)
    check(found, "results list, stats dict, total_count int, has_more bool")
    check(found["stats"], "query str, total_results int, execution_time_ms float, results_by_type dict")
    scores = [hit["score"] for hit in found["results"]]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    by_relevance = search(old_spa, "relevance")["results"]
    assert [hit["score"] for hit in by_relevance] == sorted((hit["score"] for hit in by_relevance), reverse=True)
    assert search(old_spa, "updated", status="completed", offset=20)["results"] == []
    assert old_spa.alice.refused(422, "GET", "/search", params={"q": "x" * 1001})


PREFLIGHTED = [
    ("GET", "/auth/status"),
    ("POST", "/auth/logout"),
    ("POST", "/conversations/import"),
    ("POST", "/conversations/1/project-draft/chat/stream"),
    ("PATCH", "/conversations/1"),
    ("DELETE", "/conversations/1"),
    ("PUT", MODELS),
    ("POST", PROMPTS),
]


@row("9.1.2", "9.1.3")
@pytest.mark.parametrize(("method", "path"), PREFLIGHTED)
def test_it_answers_a_preflight_without_a_login(old_spa: OldSpaServer, method: str, path: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"}
    answer = Spa(old_spa.url).http.request("OPTIONS", path, headers=asked)
    headers = answer.headers
    assert answer.status_code == 200
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-credentials"] == "true"
    assert "content-type" in headers["access-control-allow-headers"]
    assert method in headers["access-control-allow-methods"]
    assert int(headers["access-control-max-age"]) > 0


@row("9.1.3")
def test_it_lets_no_other_origin_write(old_spa: OldSpaServer, conversation: int) -> None:
    tab = old_spa.spa()
    answer = tab.http.request("DELETE", f"/conversations/{conversation}", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@row("9.1.6")
def test_it_gives_a_page_its_thirteen_answers_anew(old_spa: OldSpaServer, conversation: int) -> None:
    draft, one = f"/conversations/{conversation}/project-draft", f"/conversations/{conversation}"
    once = [
        "/auth/status",
        "/conversations?limit=500&offset=0",
        one,
        f"{draft}/chat",
        MODELS,
        "/llm-defaults/providers",
    ]
    paths = [*once, f"{one}/imported_chat_summary", *[draft] * 4, *[f"{draft}/versions"] * 2]
    began = time.monotonic()
    answers = [old_spa.alice.ask("GET", path) for path in paths]  # each says that it may not be reused
    assert len(answers) == 13 and time.monotonic() - began < 5
    assert {answer.status_code for answer in answers} <= {200, 404}


@row("9.1.7")
def test_it_lets_the_cookie_go_to_one_site_only(old_spa: OldSpaServer) -> None:
    link = old_spa.login_link()
    cookies = httpx2.get(link, trust_env=False).headers.get_list("set-cookie")
    (cookie,) = [each for each in cookies if each.startswith("session_token=")]
    assert {"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=86400"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
