import gzip
import json
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import pytest

from integrations.importers import by_link
from integrations.importers.base import ImportedChat, ImporterError
from integrations.importers.by_link import SOURCES, Manners, fetch_chat
from integrations.importers.detect import read_chat
from integrations.importers.links import FETCHABLE_HOSTS
from integrations.tests.fixtures import chatgpt, claude, gemini
from integrations.tests.fixtures.server import Answer, Site, serving
from integrations.tests.fixtures.shared_links import CHAT, SHARED, Shared, encoded

each_site = pytest.mark.parametrize("name", SHARED)


@pytest.fixture
def site():
    with serving() as site:
        yield site


def put_online(site: Site, shared: Shared, *answers: Answer) -> None:
    """Routes `answers` for the first paths, and what a sound site answers for the others."""
    sound = [Answer(200, body) for body in shared.bodies]
    site.routes = dict(zip(shared.paths, [*answers, *sound[len(answers) :]], strict=True))


def get(site: Site, shared: Shared, *, seconds: float = 15, **options) -> ImportedChat:
    manners = Manners(overrides=dict.fromkeys(FETCHABLE_HOSTS, site.url), seconds=seconds)
    return fetch_chat(shared.link, manners, **options)


def refusal(site: Site, shared: Shared, **options) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        get(site, shared, **options)
    assert "paste" in caught.value.detail
    return caught.value


def test_it_knows_every_site_that_has_share_links():
    assert set(SOURCES) == set(SHARED)
    assert {shared.link.host for shared in SHARED.values()} == FETCHABLE_HOSTS


@each_site
def test_it_takes_the_answer_and_asks_no_more_than_it_needs(site, name):
    shared = SHARED[name]
    put_online(site, shared)
    chat = get(site, shared)
    assert [(item.role, item.text) for item in chat.messages] == shared.turns
    assert (chat.source, chat.source_id, chat.source_url) == (name, shared.link.id, shared.link.url)
    assert (chat.title, chat.parser) == ("Garden plan", shared.parser)
    assert site.paths() == list(shared.paths if name == "branchprompt" else shared.paths[:1])


@each_site
def test_it_sends_no_cookie_and_no_secret(site, name):
    put_online(site, SHARED[name])
    get(site, SHARED[name])
    for _, headers in site.seen:
        assert headers["user-agent"].startswith("Draftloom/1 (+")
        assert not headers.keys() & {"cookie", "authorization", "referer", "origin", "x-forwarded-for"}


def test_it_posts_geminis_call_with_the_id_in_it(site):
    put_online(site, SHARED["gemini"])
    get(site, SHARED["gemini"])
    [form] = site.forms
    assert parse_qs(form.decode()) == {"f.req": [f'[[["ujx1Bf","[null,\\"{gemini.SHARE_ID}\\",[4]]",null,"generic"]]]']}


@each_site
def test_it_says_that_a_chat_is_gone_on_the_proof_of_the_site_only(site, name):
    shared = SHARED[name]
    put_online(site, shared, *[Answer(404, b"<html>404</html>")] * len(shared.paths))
    assert refusal(site, shared).code == "fetch_failed"
    site.seen.clear()
    if shared.gone:
        put_online(site, shared, Answer(400 if name == "grok" else 404, shared.gone))
        assert refusal(site, shared).code == "gone"
        assert site.paths() == [shared.route]


def drips(handler: BaseHTTPRequestHandler) -> None:
    """One byte of the body now and then: each comes in time, the whole never."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(30):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


FINAL = {
    "bot_challenge": Answer(403, b"", {"cf-mitigated": "challenge"}),
    "rate_limited": Answer(429, b"{}", {"Retry-After": "60"}),
    "too_large": Answer(200, gzip.compress(b" " * (16 * 1024 * 1024)), {"Content-Encoding": "gzip"}),
}


@each_site
@pytest.mark.parametrize("code", FINAL)
def test_it_seeks_no_way_round_an_answer_that_is_final(site, name, code):
    shared = SHARED[name]
    put_online(site, shared, FINAL[code])
    assert refusal(site, shared).code == code
    assert site.paths() == [shared.route]


@each_site
def test_it_limits_the_time_of_all_requests_together(site, name):
    put_online(site, SHARED[name])
    site.routes[SHARED[name].route] = drips
    started = time.monotonic()
    assert refusal(site, SHARED[name], seconds=0.3).code == "timeout"
    assert time.monotonic() - started < 1.2
    assert site.paths() == [SHARED[name].route]


EVERYWHERE = [
    (Answer(401), "private_or_login"),
    (Answer(403, b"{}"), "private_or_login"),
    (Answer(302, b"", {"Location": "/login?next=/share"}), "private_or_login"),
    (Answer(302, b"", {"Location": "https://accounts.google.com/ServiceLogin"}), "private_or_login"),
    (Answer(302, b"", {"Location": "http://127.0.0.1:9/"}), "fetch_failed"),
    (Answer(302, b"", {"Location": "https://169.254.169.254/latest"}), "fetch_failed"),
    (Answer(500), "fetch_failed"),
    (Answer(200, b"\n"), "format_changed"),
    (Answer(200, b"{}"), "format_changed"),
    (Answer(200, b'{"cut'), "format_changed"),
    (Answer(200, b"[" * 100_000), "format_changed"),
    (Answer(200, b")]}'\n[]"), "format_changed"),
    (Answer(200, b"\x89PNG"), "format_changed"),
    (Answer(200, b"User: a\nAssistant: b"), "format_changed"),
    (Answer(200, b"<!DOCTYPE html><html><head><title>App</title></head><body></body></html>"), "format_changed"),
    (Answer(200, encoded([claude.export(), claude.export()])), "format_changed"),
    (Answer(200, encoded({"mapping": {"a": {"message": None}}, "current_node": "a"})), None),
]


@each_site
@pytest.mark.parametrize(("answer", "code"), EVERYWHERE, ids=lambda value: str(value)[:60])
def test_it_says_what_an_answer_proves_and_no_more(site, name, answer, code):
    shared = SHARED[name]
    put_online(site, shared, *[answer] * len(shared.paths))
    error = refusal(site, shared)
    assert error.code == code or (code is None and error.code in {"no_messages", "format_changed"})
    assert len(site.seen) <= 2
    assert "127.0.0.1" not in repr((error.detail, error.extra))


@pytest.mark.parametrize("name", ["chatgpt", "grok"])
@pytest.mark.parametrize(("answer", "code"), EVERYWHERE, ids=lambda value: str(value)[:60])
def test_it_takes_the_second_address_if_the_first_proves_nothing(site, name, answer, code):
    shared = SHARED[name]
    put_online(site, shared, answer)
    chat = get(site, shared)
    assert [(item.role, item.text) for item in chat.messages] == shared.turns
    assert chat.parser == {"chatgpt": "chatgpt-share-turbostream/1", "grok": "grok-share-chunks/1"}[name]
    assert (chat.source_id, chat.source_url) == (shared.link.id, shared.link.url)
    assert site.paths() == list(shared.paths)


@each_site
def test_it_takes_no_chat_of_another_site_for_this_one(site, name):
    shared = SHARED[name]
    other = encoded(claude.snapshot()) if name != "claude" else encoded(CHAT)
    put_online(site, shared, *[Answer(200, other)] * len(shared.paths))
    assert refusal(site, shared).code == "format_changed"


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (chatgpt.page(json.dumps(chatgpt.table({"loaderData": {}}))), "private_or_login"),
        ("<html><title>ChatGPT</title></html>", "format_changed"),
        ("<html><title>Just a moment...</title></html>", "bot_challenge"),
        (chatgpt.share_page(chatgpt.conversation()), "no_messages"),
    ],
)
def test_it_says_what_chatgpts_page_proves(site, page, code):
    put_online(site, SHARED["chatgpt"], Answer(404), Answer(200, page.encode()))
    assert refusal(site, SHARED["chatgpt"]).code == code


@each_site
def test_it_reads_with_the_reader_that_it_is_given(site, name):
    sizes: list[int] = []

    def read(data: bytes, filename: str) -> ImportedChat:
        sizes.append(len(data))
        return read_chat(data, filename)

    put_online(site, SHARED[name])
    get(site, SHARED[name], read=read)
    assert len(sizes) == 1
    assert sizes[0] >= len(SHARED[name].bodies[0])


def test_it_fetches_nothing_from_a_site_that_the_operator_has_switched_off(site):
    manners = Manners(sources=frozenset({"claude"}), overrides=dict.fromkeys(FETCHABLE_HOSTS, site.url))
    with pytest.raises(ImporterError) as caught:
        fetch_chat(SHARED["grok"].link, manners)
    assert (caught.value.code, site.seen) == ("unsupported_url", [])


def with_rules(rules: bytes) -> Manners:
    """Manners that know the rules of every host already."""
    manners = Manners()
    for host in FETCHABLE_HOSTS:
        manners.robots.rules_of(host, lambda: rules)
    return manners


def test_it_goes_straight_to_the_page_if_that_is_all_that_robots_txt_allows():
    manners = with_rules(b"User-agent: *\nDisallow: /\nAllow: /share/")
    visit = by_link.Visit(SHARED["chatgpt"].link, manners)
    assert [request.url for request in visit.allowed()] == [SHARED["chatgpt"].url]


def test_it_needs_both_addresses_where_each_tells_a_part():
    with pytest.raises(ImporterError) as caught:
        fetch_chat(SHARED["branchprompt"].link, with_rules(b"User-agent: *\nDisallow: /*/messages"))
    assert caught.value.code == "bot_challenge"


@each_site
def test_it_obeys_robots_txt_before_anything_is_asked(name):
    with pytest.raises(ImporterError) as caught:
        fetch_chat(SHARED[name].link, with_rules(b"User-agent: *\nDisallow: /"))
    assert (caught.value.code, caught.value.extra) == ("bot_challenge", {"stage": "robots"})


def test_it_asks_a_server_of_our_own_for_no_rules(site):
    put_online(site, SHARED["claude"])
    site.routes["/robots.txt"] = Answer(200, b"User-agent: *\nDisallow: /")
    assert get(site, SHARED["claude"]).messages
    assert "/robots.txt" not in site.paths()
