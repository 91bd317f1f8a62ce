"""The page's comparison of versions, used in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from config.tests.stack import Member, Stack
from config.tests.test_page import Opened

FIRST = "# Goal\n\nBuild a lamp of brass.\n\n- buy brass\n- cut it\n"
SECOND = "# Goal\n\nBuild a tall lamp of steel.\n\nIt lasts.\n\n- buy steel\n- cut it"


@pytest.fixture(params=[1280, 390])
def opened(request: pytest.FixtureRequest, browser: Browser, stack: Stack) -> Iterator[Opened]:
    """A conversation whose draft Alice and Bob have written."""
    alice, bob = stack.client(), stack.client("bob@example.org")
    conversation = alice.imported()
    write(alice, conversation, "Lamp", FIRST)
    write(bob, conversation, "Tall lamp", SECOND)
    opened = Opened(browser, stack.url, cookie=stack.cookie_for("alice@example.org"), width=request.param)
    opened.page.goto(f"{stack.url}/#/c/{conversation}")
    opened("#versions-label").click()
    yield opened
    opened.context.close()
    assert opened.complaints == []


def write(member: Member, conversation: int, title: str, description: str) -> None:
    body = {"title": title, "description": description}
    assert member.patch(f"/api/conversations/{conversation}/project-draft", body).status_code == 200


def row(opened: Opened, number: int) -> Locator:
    return opened("#version-list li").filter(has=opened.page.get_by_text(f"Version {number}", exact=True))


def style(locator: Locator, name: str) -> str:
    return str(locator.evaluate("(element, name) => getComputedStyle(element)[name]", name))


def test_it_shows_what_has_changed_and_brings_a_version_back(opened: Opened, stack: Any) -> None:
    expect(row(opened, 1)).to_contain_text("Written by openai/gpt-4o for alice")
    expect(row(opened, 3)).to_contain_text("Edited by bob")
    row(opened, 2).get_by_role("button", name="Changes").click()
    expect(opened("#draft-text h2")).to_have_text("LampTall lamp")
    expect(opened("#draft-text .line.change").first).to_have_text("±Build a tall lamp of brasssteel.")
    expect(opened("#draft-text .line.change ins").first).to_have_text("tall ")
    expect(opened("#draft-text .line.insert").first).to_have_text("+It lasts.")
    expect(opened("#draft-text .line.change").last).to_have_text("±- cut it↵")
    assert "underline" in style(opened("#draft-text .line ins").first, "textDecorationLine")
    assert "line-through" in style(opened("#draft-text .line del").first, "textDecorationLine")
    expect(opened("#draft-earlier")).to_contain_text("Changes from version 2 to")
    expect(opened("#draft-earlier")).to_be_in_viewport(ratio=1)
    assert not opened.is_too_wide()

    opened("#draft-earlier select").select_option("version 1")
    expect(opened("#draft-earlier")).to_contain_text("to version 2")
    expect(opened("#draft-text h2")).to_have_text("Made upLamp")

    opened("#draft-earlier").get_by_role("button", name="Bring back version 2").click()
    expect(opened("#draft-text h2")).to_have_text("Lamp")
    expect(row(opened, 4)).to_contain_text("Version 2, brought back by alice")
    row(opened, 4).get_by_role("button", name="Changes").click()
    expect(opened("#draft-text h2")).to_have_text("Tall lampLamp")  # of the current one, since the one before
    expect(opened("#draft-earlier").get_by_role("button", name="Bring back")).to_have_count(0)
    opened("#draft-earlier").get_by_role("button", name="Show the text").click()
    expect(opened("#draft-earlier")).to_be_hidden()
    expect(opened("#draft-text h2")).to_have_text("Lamp")


def test_it_says_when_two_versions_are_alike_and_shows_markup_as_text(opened: Opened, stack: Any) -> None:
    member, conversation = stack.client(), int(opened.page.url.rpartition("/")[2])
    write(member, conversation, "<img src=x onerror=alert(1)>", "<b>bold</b>")
    write(member, conversation, "Lamp", FIRST)
    opened.page.reload()
    opened("#versions-label").click()
    row(opened, 2).get_by_role("button", name="Changes").click()
    expect(opened("#draft-text")).to_contain_text("These versions have the same text.")
    row(opened, 4).get_by_role("button", name="Changes").click()
    expect(opened("#draft-text h2 del")).to_have_text("<img src=x onerror=alert(1)>")
    expect(opened("#draft-text .line.delete")).to_have_text("−<b>bold</b>")
    assert opened("#draft-text :is(img, b)").count() == 0
