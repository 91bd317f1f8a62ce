"""Share links of every site, through HTTP, a runner, and a site on 127.0.0.1 that stands in for all of them."""

from typing import Any

import pytest

from config.tests.stack import Member, Stack
from integrations.tests.fixtures.hostile_urls import HOSTILE_URLS
from integrations.tests.fixtures.shared_links import SHARED, Shared

CHALLENGE = b"<html><title>Just a moment...</title><script>window._cf_chl_opt={}</script></html>"


@pytest.fixture(autouse=True)
def no_pages(stack: Stack) -> None:
    stack.outside.pages.clear()
    stack.outside.paths.clear()


def put_online(stack: Stack, shared: Shared, *answers: tuple[int, bytes]) -> None:
    sound = [(200, body) for body in shared.bodies]
    for path, answer in zip(shared.paths, [*answers, *sound[len(answers) :]], strict=True):
        stack.outside.pages[path.partition("?")[0]] = answer


def import_link(member: Member, url: str) -> list[dict[str, Any]]:
    return member.events(
        "/api/conversations/import",
        {
            "url": url,
            "llm_provider": "openai",
            "llm_model": "gpt-4o",
            "accept_summarization": False,
            "duplicate_resolution": "prompt",
        },
    )


@pytest.mark.parametrize("name", SHARED)
def test_it_imports_the_chat_behind_a_link_of_every_site(stack: Stack, name: str) -> None:
    alice, shared = stack.client(), SHARED[name]
    put_online(stack, shared)
    conversation = import_link(alice, f" {shared.url}/?utm_source=mail#end ")[-1]["conversation"]
    stored = alice.get(f"/api/conversations/{conversation['id']}").json()
    assert (stored["title"], stored["url"]) == ("Garden plan", shared.link.url)
    assert [(turn["role"], turn["content"]) for turn in stored["imported_chat"]] == shared.turns
    assert stored["import_report"]["parser"] == shared.parser
    assert len(stack.outside.paths) <= 2
    assert import_link(alice, shared.url)[-1]["type"] == "conflict"


OUTCOMES = [
    ((403, CHALLENGE), "bot_challenge", True),
    ((429, b""), "rate_limited", True),
    ((401, b""), "private_or_login", True),
    ((403, b"{}"), "private_or_login", True),
    ((404, b"<html>404</html>"), "fetch_failed", True),
    ((500, b""), "fetch_failed", True),
    ((200, b'{"changed": true}'), "format_changed", False),
    ((200, b" " * (15 * 1024 * 1024 + 1)), "too_large", False),
]


@pytest.mark.parametrize(("answer", "code", "retryable"), OUTCOMES, ids=lambda value: str(value)[:30])
def test_it_tells_why_there_is_no_chat_and_what_to_do_instead(
    stack: Stack, answer: tuple[int, bytes], code: str, retryable: bool
) -> None:
    alice, shared = stack.client(), SHARED["claude"]
    put_online(stack, shared, answer)
    error = import_link(alice, shared.url)[-1]
    assert (error["type"], error["code"], error["retryable"]) == ("error", code, retryable)
    assert "paste" in error["message"]
    assert "upload" in error["message"]
    assert alice.get("/api/conversations").json()["conversations"] == []
    assert len(stack.outside.paths) == 1


@pytest.mark.parametrize("name", [name for name, shared in SHARED.items() if shared.gone])
def test_it_says_chat_not_found_on_the_proof_of_the_site(stack: Stack, name: str) -> None:
    alice, shared = stack.client(), SHARED[name]
    put_online(stack, shared, (404, shared.gone))
    error = import_link(alice, shared.url)[-1]
    assert (error["type"], error["code"], error["retryable"]) == ("error", "CHAT_NOT_FOUND", False)
    run_id = error["event_id"].partition(":")[0]
    assert alice.get(f"/api/runs/{run_id}").json()["error_code"] == "CHAT_NOT_FOUND"
    assert len(stack.outside.paths) == 1


@pytest.mark.parametrize("url", HOSTILE_URLS[::17])
def test_it_asks_nobody_about_a_hostile_url(stack: Stack, url: str) -> None:
    alice = stack.client()
    if "\x00" in url:
        url = url.replace("\x00", "\\0")  # JSON with a NUL is refused before anything is read
    events = import_link(alice, url)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "unsupported_url")
    assert stack.outside.paths == []
    assert alice.get("/api/conversations").json()["conversations"] == []
