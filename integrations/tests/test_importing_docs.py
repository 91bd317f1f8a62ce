"""What docs/importing.md says of links is what the code does."""

import re

import pytest

from config.env import BASE_DIR
from integrations.importers.by_link import SOURCES
from integrations.importers.detect import read_text
from integrations.importers.links import FETCHABLE_HOSTS
from integrations.tests.fixtures.shared_links import SHARED

DOCS = (BASE_DIR / "docs/importing.md").read_text()
SNIPPETS = dict(re.findall(r"^// (\S+\.\w+)\n(copy\(.*\))$", DOCS, re.MULTILINE))


def test_it_lists_every_site():
    for host in FETCHABLE_HOSTS:
        assert f"`https://{host}/" in DOCS
    assert {shared.link.source for shared in SHARED.values()} == set(SOURCES)


@pytest.mark.parametrize("name", sorted(set(SHARED) - {"gemini"}))
def test_it_copies_what_the_site_is_asked_for(name):
    """The addresses in a site's snippet, put together as the browser does it on the share page."""
    shared = SHARED[name]
    page = shared.link.url.removeprefix(f"https://{shared.link.host}")
    [address] = re.findall(r"fetch\((.*?)\)\)\.text", SNIPPETS[shared.link.host])
    pieces = [piece.strip() for piece in address.split(" + ")]
    asked = "".join(page.split("/")[2] if piece.startswith("location") else piece.strip('"') for piece in pieces)
    assert asked in shared.paths


def test_it_reads_what_a_snippet_copies():
    for name, shared in SHARED.items():
        body = shared.bodies[-1 if name == "branchprompt" else 0].decode()
        pasted = f'{{"conversation":{{}},"messages":{body}}}' if name == "branchprompt" else body
        chat = read_text(pasted)
        assert (chat.source, [(item.role, item.text) for item in chat.messages]) == (name, shared.turns)


@pytest.mark.parametrize(
    "code",
    ["CHAT_NOT_FOUND", "private_or_login", "bot_challenge", "rate_limited", "timeout", "fetch_failed"]
    + ["format_changed", "no_messages", "too_large", "unsupported_url"],
)
def test_it_explains_every_outcome(code):
    assert f"| `{code}` |" in DOCS
