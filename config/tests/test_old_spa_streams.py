"""The streams of an import and of the chat as the old SPA reads them; see `config.tests.old_spa`."""

from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from config.tests.old_spa import (
    ALICE,
    CONVERSATION,
    GONE,
    OPENAI,
    SMALL,
    OldSpaServer,
    check,
    check_draft,
    text_of,
    told,
)
from config.tests.old_spa_rows import row
from config.tests.stack import wait_until
from config.tests.test_page import ANSWER, Opened

LONG = "a long story " * 600  # 7,800 characters
BEGUN = ["state importing", "state extracting_chat_keywords", "state retrieving_memories", "state generating"]
ASKED = ["status analyzing_request", "content"]
ENDED = ["status generating_response", "content", "status done", "done"]
PROVIDERS = ["openai", "grok", "anthropic"]


@pytest.fixture(scope="module", autouse=True)
def waiting(old_spa: OldSpaServer) -> int:
    """A conversation that waits for its summary from the start of these tests."""
    lines = old_spa.alice.import_link(old_spa.shared(("user", LONG)), **SMALL, accept_summarization=True)
    assert told(lines) == [*BEGUN[:3], "state summarizing", "done"]
    draft = check_draft(lines[-1]["data"]["project_draft"])
    assert (draft["title"], draft["version_number"]) == ("Generating...", 1)
    return int(lines[-1]["data"]["conversation"]["id"])


def model_of(server: OldSpaServer, provider: str) -> dict[str, str]:
    if provider == "openai":
        return OPENAI
    model = server.alice.call("GET", "/llm-defaults/providers")["providers"][provider][0]
    return {"llm_provider": provider, "llm_model": model["id"]}


@row("2.1 bad URL")
def test_it_ends_at_once_with_an_error_for_a_link_it_does_not_know(old_spa: OldSpaServer) -> None:
    lines = old_spa.alice.import_link("https://example.org/share/1")
    assert told(lines) == ["error"]
    assert "code" not in lines[0]


@row("2.1 conflict", "9.13")
def test_it_asks_what_to_do_about_a_chat_that_is_here(old_spa: OldSpaServer) -> None:
    url = old_spa.shared()
    first = old_spa.spa("bob@example.org").import_link(url)[-1]["data"]["conversation"]["id"]
    second = old_spa.alice.import_link(url, "create_new")[-1]["data"]["conversation"]["id"]
    lines = old_spa.alice.import_link(url)
    assert told(lines) == ["conflict"]
    for conversation in lines[0]["data"]["conversations"]:
        check(conversation, "id int, title str, updated_at ts, url str")
    assert [found["id"] for found in lines[0]["data"]["conversations"]] == [second, first]


@row("2.1 wrong target")
def test_it_updates_no_conversation_from_another_chat(old_spa: OldSpaServer) -> None:
    other, url = old_spa.imported(), old_spa.shared()
    old_spa.alice.import_link(url)
    assert told(old_spa.alice.import_link(url, "update_existing", target_conversation_id=other)) == ["error"]


@row("2.1 gone")
def test_it_says_by_a_code_that_a_chat_is_gone(old_spa: OldSpaServer) -> None:
    share_id = str(uuid4())
    old_spa.put(share_id, 404, GONE)
    lines = old_spa.alice.import_link(f"https://chatgpt.com/share/{share_id}")
    assert told(lines) == ["state importing", "error"]
    assert lines[-1]["code"] == "CHAT_NOT_FOUND"


@row("2.1 unreadable")
def test_it_says_without_a_code_that_a_chat_can_not_be_read(old_spa: OldSpaServer) -> None:
    share_id = str(uuid4())
    old_spa.put(share_id, 200, b"<html>Something new</html>")
    lines = old_spa.alice.import_link(f"https://chatgpt.com/share/{share_id}")
    assert told(lines) == ["state importing", "error"]
    assert set(lines[-1]) == {"type", "data"}


@row("2.1 updated", "9.13")
def test_it_takes_newer_messages_and_leaves_title_and_draft(old_spa: OldSpaServer) -> None:
    url = old_spa.shared()
    before = old_spa.alice.import_link(url)[-1]["data"]
    share_id, target = url.rpartition("/")[2], before["conversation"]["id"]
    newer = old_spa.shared(("user", "Something newer"), title="Another title").rpartition("/")[2]
    old_spa.put(share_id, 200, old_spa.outside.pages[f"/backend-api/share/{newer}"][1])
    lines = old_spa.alice.import_link(url, "update_existing", target_conversation_id=target)
    assert told(lines) == ["state importing", "done"]
    after = lines[-1]["data"]
    assert after["project_draft"]["active_version"] == before["project_draft"]["active_version"]
    assert after["conversation"]["title"] == "Garden plan"
    assert [message["content"] for message in after["conversation"]["imported_chat"]] == ["Something newer"]


@row("2.1 new", "9.12")
def test_it_writes_the_draft_of_a_new_chat_word_by_word(old_spa: OldSpaServer) -> None:
    lines = old_spa.alice.import_link(old_spa.shared())
    assert told(lines) == [*BEGUN, "content", "done"]
    assert text_of(lines).startswith("<title>Made up</title>") and text_of(lines).endswith("</description>")
    check(lines[-1]["data"]["conversation"], CONVERSATION)
    assert lines[-1]["data"]["conversation"]["user_email"] == ALICE
    assert check_draft(lines[-1]["data"]["project_draft"])["title"] == "Made up"
    assert "They like green." in str(old_spa.outside.requests[-1])


@row("2.1 too long", "9.13", "9.1.10")
def test_it_asks_before_it_summarises_a_chat_that_is_too_long(old_spa: OldSpaServer) -> None:
    url = old_spa.shared(("user", LONG))
    lines = old_spa.alice.import_link(url, **SMALL)
    assert told(lines)[-1] == "model_limit_conflict"
    check(lines[-1]["data"], "message str, suggestion str")
    assert told(old_spa.alice.import_link(url))[-1] == "done"  # nothing was stored, and a larger window takes it


@row("2.1 too long, accepted", "9.10", "9.14")
def test_it_writes_the_draft_in_its_placeholder_once_the_summary_is_there(old_spa: OldSpaServer, waiting: int) -> None:
    wait_until(lambda: old_spa.alice.draft(waiting)["title"] != "Generating...", 40)
    draft = old_spa.alice.draft(waiting)
    assert (draft["title"], draft["version_number"]) == ("Made up", 1)
    assert old_spa.alice.call("GET", f"/conversations/{waiting}/imported_chat_summary")["summary"]


@row("2.1 failed late")
@pytest.mark.parametrize("how", ["[[status=400]]", "[[no_tags]]", "[[empty]]"])
def test_it_ends_with_a_conversation_though_its_draft_failed(old_spa: OldSpaServer, how: str) -> None:
    lines = old_spa.alice.import_link(old_spa.shared(("user", f"Hello {how}")))
    told_at_first = [*BEGUN[:2], *(BEGUN[2:3] if how == "[[no_tags]]" else []), "state generating"]
    assert [line for line in told(lines) if line != "content"] == [*told_at_first, "done"]
    check(lines[-1]["data"]["conversation"], CONVERSATION)
    draft = check_draft(lines[-1]["data"]["project_draft"])
    assert draft["title"] == "Failed to Generate Project Draft"
    assert old_spa.alice.draft(lines[-1]["data"]["conversation"]["id"]) == draft


@row("2.1 failed early")
def test_it_ends_with_an_error_when_the_site_is_down(old_spa: OldSpaServer) -> None:
    share_id = str(uuid4())
    old_spa.put(share_id, 500, b"")
    assert told(old_spa.alice.import_link(f"https://chatgpt.com/share/{share_id}")) == ["state importing", "error"]


@row("2.2 no tools", "9.21")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_answers_and_says_that_it_is_done(old_spa: OldSpaServer, provider: str) -> None:
    conversation = old_spa.imported()
    lines = old_spa.alice.say(conversation, "Hello", **model_of(old_spa, provider))
    assert told(lines) == [*ASKED, "status done", "done"]
    assert lines[-1]["data"] == [False, text_of(lines)]


@row("2.2 draft tool", "9.21", "9.22")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_tells_that_it_has_changed_the_draft(old_spa: OldSpaServer, provider: str) -> None:
    conversation = old_spa.imported()
    lines = old_spa.alice.say(conversation, "Please update the draft", **model_of(old_spa, provider))
    tool = ["status executing_tools", "status updating_project_draft", "project_updated"]
    assert told(lines) == [*ASKED, *tool, *ENDED]
    assert [line["data"] for line in lines if line["type"] == "project_updated"] == ["true"]
    assert lines[-1]["data"] == [True, text_of(lines)]
    assert "\n\n" in text_of(lines)
    draft = old_spa.alice.draft(conversation)
    assert (draft["title"], draft["version_number"], draft["is_manual_edit"]) == ("A sharper title", 2, False)


@row("2.2 rejected call")
def test_it_goes_on_after_a_call_that_was_rejected(old_spa: OldSpaServer) -> None:
    conversation = old_spa.imported()
    lines = old_spa.alice.say(conversation, "Please update the draft with a bad title")
    assert told(lines) == [*ASKED, "status executing_tools", "status updating_project_draft", *ENDED]
    assert lines[-1]["data"][0] is False
    assert old_spa.alice.draft(conversation)["version_number"] == 1


@row("2.2 Linear tool", "2.2 locked", "9.17", "9.1.9")
def test_it_locks_the_conversation_without_asking(old_spa: OldSpaServer) -> None:
    conversation = old_spa.imported()
    lines = old_spa.alice.say(conversation, "Please create the project")
    tool = ["status executing_tools", "status creating_linear_project", "conversation_locked"]
    assert told(lines) == [*ASKED, *tool, "content", "status done", "done"]
    url = next(line["data"] for line in lines if line["type"] == "conversation_locked")
    assert old_spa.alice.call("GET", f"/conversations/{conversation}/project")["project"]["linear_url"] == url
    body = {"message": "And now?", **OPENAI}
    path = f"/conversations/{conversation}/project-draft/chat/stream"
    assert "locked" in old_spa.alice.refused(409, "POST", path, body)


@row("2.2 Linear failure")
def test_it_goes_on_when_linear_refuses(old_spa: OldSpaServer) -> None:
    conversation = old_spa.imported()
    old_spa.outside.linear.faults = ["refused"]
    lines = old_spa.alice.say(conversation, "Please create the project")
    assert told(lines) == [*ASKED, "status executing_tools", "status creating_linear_project", *ENDED]
    assert old_spa.alice.call("GET", f"/conversations/{conversation}")["is_locked"] is False


@row("2.2 provider failure")
def test_it_ends_with_an_error_when_the_model_fails(old_spa: OldSpaServer) -> None:
    lines = old_spa.alice.say(old_spa.imported(), "Hello [[status=400]]")
    assert told(lines) == ["status analyzing_request", "error"]


@row("2.2 failure elsewhere")
def test_it_ends_with_an_error_when_the_conversation_is_deleted_meanwhile(old_spa: OldSpaServer) -> None:
    conversation = old_spa.imported()
    body = {"message": "Hello [[words=2000 delay_ms=10]]", **OPENAI}
    lines = old_spa.alice.lines(f"/conversations/{conversation}/project-draft/chat/stream", body)
    assert next(lines)["data"] == "analyzing_request"
    old_spa.spa().call("DELETE", f"/conversations/{conversation}")
    assert [line["type"] for line in lines if line["type"] != "content"] == ["error"]


@row("2.2 unknown model", "9.1.9")
@pytest.mark.parametrize("model", [("nobody", "gpt-4o"), ("openai", "no-such-model")])
def test_it_refuses_a_model_that_it_does_not_have(old_spa: OldSpaServer, model: tuple[str, str]) -> None:
    conversation = old_spa.imported()
    body = {"message": "Hello", "llm_provider": model[0], "llm_model": model[1]}
    path = f"/conversations/{conversation}/project-draft/chat"
    assert old_spa.alice.refused(422, "POST", f"{path}/stream", body)
    assert old_spa.alice.call("GET", path)["chat_messages"] == []


@row("2.2 blank answer")
def test_it_ends_with_an_error_when_the_model_says_nothing(old_spa: OldSpaServer) -> None:
    lines = old_spa.alice.say(old_spa.imported(), "Hello [[empty]]")
    assert told(lines) == ["status analyzing_request", "error"]


@row("2.2 stored at done")
def test_it_has_stored_the_answer_before_it_says_done(old_spa: OldSpaServer) -> None:
    conversation = old_spa.imported()
    path = f"/conversations/{conversation}/project-draft/chat"
    lines = old_spa.alice.lines(f"{path}/stream", {"message": "Hello", **OPENAI})
    end = next(line for line in lines if line["type"] == "done")
    messages = old_spa.spa().call("GET", path)["chat_messages"]
    assert [message["content"] for message in messages] == ["Hello", end["data"][1]]
    assert list(lines) == []


def test_the_page_of_this_server_reads_its_own_dialect(old_spa: OldSpaServer, browser: Browser) -> None:
    opened = Opened(browser, old_spa.url, cookie=old_spa.stack.cookie_for(ALICE))
    opened.imported()
    opened.say("Hello [[words=60 delay_ms=20]]")
    expect(opened("#messages")).to_contain_text(ANSWER)
    opened.context.close()
    assert opened.complaints == []
