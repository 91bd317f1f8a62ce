"""What an operator changes in the back office, in a real browser, is what the next answer is made with."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.services import get_or_make_user, issue_login_link
from config.tests.stack import chat_path, said

MARKER = "Always mention the lighthouse."


@pytest.fixture
def office(browser: Browser, stack: Any) -> Iterator[Page]:
    """The back office, where an operator has come in by a link from the server."""
    token = issue_login_link(user=get_or_make_user(email="olivia@example.org", operator=True))
    complaints: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{stack.url}/api/auth/login-link/{token}")
    page.wait_for_url(f"{stack.url}/admin/")
    yield page
    context.close()
    assert complaints == []


def change_prompt(office: Page) -> None:
    office.get_by_role("link", name="Prompts", exact=True).first.click()
    row = office.locator("table.tasks tr", has_text="Draft chat")
    row.get_by_role("link", name="New version").click()
    text = office.get_by_label("Text")
    text.fill(f"{text.input_value()}\n\n{MARKER}")
    office.get_by_label("Note").fill("mentions the lighthouse")
    office.get_by_role("button", name="Preview").click()
    expect(office.locator(".diff ins").last).to_have_text(MARKER)
    office.get_by_role("button", name="Save").click()
    expect(office.locator(".messagelist .success")).to_have_text("Draft chat: version 1 is in production.")


def change_default(office: Page) -> None:
    office.get_by_role("link", name="Default models", exact=True).first.click()
    office.get_by_role("link", name="Draft chat").click()
    office.get_by_label("It uses").select_option(label="GPT-4o Mini")
    office.get_by_label("then").first.select_option(label="GPT-4o")
    office.get_by_role("button", name="Save").click()
    expect(office.locator(".messagelist .success")).to_have_text("Draft chat now uses openai/gpt-4o-mini.")


def revert_prompt(office: Page) -> None:
    office.get_by_role("link", name="Prompts", exact=True).first.click()
    row = office.locator("table.tasks tr", has_text="Draft chat")
    row.get_by_role("link", name="Built-in text").click()
    office.get_by_role("link", name="Revert to the built-in text…").click()
    expect(office.locator(".diff del").last).to_have_text(MARKER)
    office.get_by_role("button", name="Yes, make it production").click()
    expect(office.locator(".messagelist .success")).to_have_text("Draft chat: the built-in text is in production.")


def ask(stack: Any, member: Any, conversation: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer of the default model: what the provider was asked, and the message as the API shows it."""
    default = member.get("/api/llm-defaults/project_draft_chat").json()["current_default"]
    stack.outside.requests.clear()
    member.events(chat_path(conversation), said("Hello", **default))
    return stack.outside.requests[-1], member.history(conversation)[-1]


def test_a_prompt_and_a_default_are_used_by_the_next_answer(office: Page, stack: Any) -> None:
    member = stack.client("alice@example.org")
    conversation = member.imported(llm_provider="openai", llm_model="gpt-4o")
    request, message = ask(stack, member, conversation)
    assert (request["model"], message["model"], message["prompt_version"]) == ("gpt-4o", "openai/gpt-4o", 0)
    assert MARKER not in request["messages"][0]["content"]

    change_prompt(office)
    change_default(office)
    request, message = ask(stack, member, conversation)
    assert request["model"] == "gpt-4o-mini"
    assert request["messages"][0]["content"].endswith(MARKER)
    assert (message["model"], message["prompt_version"]) == ("openai/gpt-4o-mini", 1)

    revert_prompt(office)
    request, message = ask(stack, member, conversation)
    assert (message["model"], message["prompt_version"]) == ("openai/gpt-4o-mini", 0)
    assert MARKER not in request["messages"][0]["content"]
