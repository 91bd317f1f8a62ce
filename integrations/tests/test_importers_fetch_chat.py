import json

import pytest

from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.detect import fetch_chat, read_chat
from integrations.importers.links import parse_share_url
from integrations.tests.fixtures.chatgpt import SHARE_ID, conversation, message, page, share_page, table
from integrations.tests.fixtures.server import Answer, Site, serving

LINK = parse_share_url(f"https://chatgpt.com/share/{SHARE_ID}")
JSON_PATH, PAGE_PATH = f"/backend-api/share/{SHARE_ID}", f"/share/{SHARE_ID}"
CHAT = conversation(message("user", "Which beans climb?"), message("assistant", "Runner beans do."))
TALK = [("user", "Which beans climb?"), ("assistant", "Runner beans do.")]
JSON = Answer(200, json.dumps(CHAT).encode(), {"Content-Type": "application/json"})
PAGE = Answer(200, share_page(CHAT).encode(), {"Content-Type": "text/html"})
EMPTY_PAGE = Answer(200, page(json.dumps(table({"loaderData": {}}))).encode())


@pytest.fixture
def site():
    with serving() as site:
        yield site


def get(site: Site, **options) -> ImportedChat:
    return fetch_chat(LINK, overrides={"chatgpt.com": site.url}, **options)


def refusal(site: Site) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        get(site)
    return caught.value


def test_it_takes_the_json_and_asks_no_more(site):
    site.routes = {JSON_PATH: JSON, PAGE_PATH: PAGE}
    chat = get(site)
    assert [(item.role, item.text) for item in chat.messages] == TALK
    assert (chat.source_id, chat.source_url, chat.parser) == (SHARE_ID, LINK.url, "chatgpt-json/1")
    assert site.paths() == [JSON_PATH]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"not found"),
        Answer(404, b'{"detail": "Not Found"}'),
        Answer(401),
        Answer(403, b"{}"),
        Answer(500),
        Answer(200, b"{}"),
        Answer(200, b""),
        Answer(200, b"hello"),
        Answer(200, b'{"mapping": {}}'),
        EMPTY_PAGE,
    ],
)
def test_it_takes_the_page_if_the_json_proves_nothing(site, answer):
    site.routes = {JSON_PATH: answer, PAGE_PATH: PAGE}
    chat = get(site)
    assert [(item.role, item.text) for item in chat.messages] == TALK
    assert (chat.source_id, chat.source_url, chat.parser) == (SHARE_ID, LINK.url, "chatgpt-share-turbostream/1")
    assert site.paths() == [JSON_PATH, PAGE_PATH]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(404, b'{"detail": {"code": "shared_conversation_deleted"}}'), "gone"),
        (Answer(403, b"", {"cf-mitigated": "challenge"}), "bot_challenge"),
        (Answer(429), "rate_limited"),
        (Answer(200, b"<html><title>Just a moment...</title></html>"), "bot_challenge"),
    ],
)
def test_it_seeks_no_way_round_an_answer_that_is_final(site, answer, code):
    site.routes = {JSON_PATH: answer, PAGE_PATH: PAGE}
    assert refusal(site).code == code
    assert site.paths() == [JSON_PATH]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(404), "fetch_failed"),
        (Answer(403), "private_or_login"),
        (Answer(302, b"", {"Location": "/auth/login"}), "private_or_login"),
        (EMPTY_PAGE, "private_or_login"),
        (Answer(200, b"<html><title>ChatGPT</title></html>"), "format_changed"),
        (Answer(200, b"User: a\nAssistant: b"), "format_changed"),
        (Answer(200, share_page(conversation()).encode()), "no_messages"),
    ],
)
def test_it_says_what_the_page_proves(site, answer, code):
    site.routes = {PAGE_PATH: answer}
    assert refusal(site).code == code
    assert site.paths() == [JSON_PATH, PAGE_PATH]


def test_it_reads_with_the_reader_that_it_is_given(site):
    sizes: list[int] = []

    def read(data: bytes, filename: str) -> ImportedChat:
        sizes.append(len(data))
        return read_chat(data, filename)

    site.routes = {JSON_PATH: JSON}
    get(site, read=read)
    assert sizes == [len(JSON.body)]
