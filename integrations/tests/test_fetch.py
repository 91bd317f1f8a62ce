import gzip
import json
import socket
import time
import zlib
from http.server import BaseHTTPRequestHandler

import httpx2
import pytest

from integrations.fetch import Fetched, fetch, headers_of, pinned
from integrations.importers.base import ImporterError
from integrations.tests.fixtures.server import Answer, Site, serving

URL = "https://chatgpt.com/share/x"
CHALLENGE = b"<html><head><title>Just a moment...</title></head><body></body></html>"


@pytest.fixture
def site():
    with serving() as site:
        yield site


def get(site: Site, path: str = "/share/x", **options) -> Fetched:
    return fetch(f"https://chatgpt.com{path}", overrides={"chatgpt.com": site.url}, **options)


def refusal(site: Site, **options) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        get(site, **options)
    return caught.value


def answers(site: Site, status: int, body: bytes = b"", **headers: str) -> None:
    site.routes["/share/x"] = Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def test_it_gives_the_body_and_its_type(site):
    answers(site, 200, b"<html>", Content_Type="text/html; charset=utf-8", X_Extra="1")
    fetched = get(site)
    assert (fetched.status, fetched.content_type, fetched.body) == (200, "text/html; charset=utf-8", b"<html>")
    assert fetched.headers["x-extra"] == "1"


def test_it_asks_once_and_says_who_it_is(site):
    answers(site, 200, b"{}")
    get(site)
    [(path, headers)] = site.seen
    assert path == "/share/x"
    assert headers["user-agent"] == "Draftloom/1 (+import of a shared chat on its owner's request)"
    assert headers["accept-encoding"] == "gzip, deflate"
    assert not headers.keys() & {"cookie", "authorization", "referer"}


def test_it_takes_no_proxy_from_the_environment(site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    answers(site, 200, b"direct")
    assert get(site).body == b"direct"


def test_it_keeps_the_query_and_the_base_path_of_an_override(site):
    site.routes["/base/share/x?a=1"] = Answer(200, b"here")
    fetched = fetch("https://chatgpt.com/share/x?a=1", overrides={"chatgpt.com": f"{site.url}/base/"})
    assert fetched.body == b"here"


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress])
def test_it_unpacks_a_compressed_body(site, encode):
    name = "gzip" if encode is gzip.compress else "deflate"
    answers(site, 200, encode(b"words " * 1000), Content_Encoding=name)
    assert get(site).body == b"words " * 1000


def test_it_stops_a_body_that_is_too_large(site):
    answers(site, 200, b"x" * 2001)
    assert refusal(site, max_bytes=2000).code == "too_large"


def test_it_takes_a_body_of_just_the_limit(site):
    answers(site, 200, b"x" * 2000)
    assert len(get(site, max_bytes=2000).body) == 2000


def test_it_stops_a_small_body_that_unpacks_to_a_large_one(site):
    answers(site, 200, gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip")
    assert refusal(site, max_bytes=1_000_000).code == "too_large"


def test_it_does_not_trust_a_broken_compression(site):
    answers(site, 200, b"this is not gzip", Content_Encoding="gzip")
    assert refusal(site).code == "fetch_failed"


def drips(handler: BaseHTTPRequestHandler) -> None:
    """One byte of the body now and then: each comes in time, the whole never."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def drips_headers(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(40):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("slow", [drips, drips_headers])
def test_it_limits_the_time_of_the_whole_and_not_of_each_byte(site, slow):
    site.routes["/share/x"] = slow
    started = time.monotonic()
    assert refusal(site, timeout=0.3).code == "timeout"
    assert time.monotonic() - started < 1.5


def test_it_limits_the_time_of_the_lookup():
    def never(host: str) -> list[str]:
        time.sleep(1)
        return []

    started = time.monotonic()
    with pytest.raises(ImporterError) as caught:
        fetch(URL, timeout=0.1, lookup=never)
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 0.9


def test_it_reports_a_connection_that_is_refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ImporterError) as caught:
        fetch(URL, overrides={"chatgpt.com": f"http://127.0.0.1:{port}"})
    assert caught.value.code == "fetch_failed"


def test_it_reports_an_answer_that_breaks_off(site):
    answers(site, 200, b"half", Content_Length="1000")
    assert refusal(site).code == "fetch_failed"


def test_it_reports_an_answer_that_is_not_http(site):
    site.routes["/share/x"] = lambda handler: handler.wfile.write(b"\x00\x01\x02\r\n\r\n") and None
    assert refusal(site).code == "fetch_failed"


@pytest.mark.parametrize("base", ["not a url", "ftp://127.0.0.1", "http://[::1", ""])
def test_it_fails_politely_with_an_override_that_makes_no_sense(base):
    with pytest.raises(ImporterError) as caught:
        fetch(URL, overrides={"chatgpt.com": base}, lookup=lambda host: [])
    assert caught.value.code == "fetch_failed"


@pytest.mark.parametrize(
    "url",
    [
        "http://chatgpt.com/share/x",
        "https://evil.example/share/x",
        "https://chatgpt.com:8443/share/x",
        "https://user@chatgpt.com/share/x",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "/share/x",
    ],
)
def test_it_asks_nobody_about_a_url_that_is_not_allowed(site, url):
    looked_up: list[str] = []
    overrides = {"evil.example": site.url, "127.0.0.1": site.url}

    def lookup(host: str) -> list[str]:
        looked_up.append(host)
        return ["93.184.215.14"]

    with pytest.raises(ImporterError) as caught:
        fetch(url, overrides=overrides, lookup=lookup)
    assert caught.value.code == "unsupported_url"
    assert (site.seen, looked_up) == ([], [])


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.1"],
        ["10.0.0.1", "93.184.215.14"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["224.0.0.1"],
        ["100.64.0.1"],
        ["fe80::1%lo"],
    ],
)
def test_it_goes_nowhere_if_any_address_is_not_public(addresses):
    asked: list[str] = []

    def lookup(host: str) -> list[str]:
        asked.append(host)
        return list(addresses)

    with pytest.raises(ImporterError) as caught:
        fetch(URL, lookup=lookup)
    assert (caught.value.code, caught.value.extra) == ("fetch_failed", {"stage": "address"})
    assert asked == ["chatgpt.com"]


@pytest.mark.parametrize(
    ("address", "netloc"), [("93.184.215.14", b"93.184.215.14"), ("2606:4700::1", b"[2606:4700::1]")]
)
def test_it_connects_to_the_checked_address_under_the_real_name(address, netloc):
    target = pinned(httpx2.URL("https://chatgpt.com/share/x?y"), address, headers_of())
    assert (target.url.scheme, target.url.netloc, target.url.raw_path) == ("https", netloc, b"/share/x?y")
    assert target.headers["Host"] == "chatgpt.com"
    assert target.extensions == {"sni_hostname": "chatgpt.com"}


@pytest.mark.parametrize("location", ["/share/y", "https://chatgpt.com/share/y", "https://chatgpt.com/share/y#end"])
def test_it_follows_a_redirect_within_the_host(site, location):
    answers(site, 302, Location=location)
    site.routes["/share/y"] = Answer(200, b"moved")
    assert get(site).body == b"moved"
    assert site.paths() == ["/share/x", "/share/y"]


def test_it_does_not_carry_a_cookie_to_the_next_request(site):
    answers(site, 302, Location="/share/y", Set_Cookie="a=b; Path=/")
    site.routes["/share/y"] = Answer(200, b"moved")
    get(site)
    assert "cookie" not in site.seen[1][1]


def test_it_follows_two_redirects_and_no_third(site):
    for number in range(3):
        site.routes[f"/{number}"] = Answer(307, b"", {"Location": f"/{number + 1}"})
    site.routes["/3"] = Answer(200, b"end")
    assert get(site, "/1").body == b"end"
    site.seen.clear()
    with pytest.raises(ImporterError) as caught:
        get(site, "/0")
    assert (caught.value.code, site.paths()) == ("fetch_failed", ["/0", "/1", "/2"])


@pytest.mark.parametrize(
    "location",
    [
        "http://chatgpt.com/share/y",
        "https://chatgpt.com:444/share/y",
        "https://user@chatgpt.com/share/y",
        "https://evil.example/share/y",
        "//evil.example/share/y",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://[bad",
    ],
)
def test_it_does_not_follow_a_redirect_elsewhere(site, location):
    answers(site, 302, Location=location)
    assert refusal(site).code in {"fetch_failed", "unsupported_url"}
    assert site.paths() == ["/share/x"]


def test_it_does_not_follow_a_redirect_to_the_server_behind_an_override(site):
    answers(site, 302, Location=f"{site.url}/share/y")
    assert refusal(site).code == "fetch_failed"
    assert site.paths() == ["/share/x"]


@pytest.mark.parametrize(
    "location",
    [
        "/auth/login?next=x",
        "/login",
        "https://auth.openai.com/authorize",
        "https://accounts.x.ai/sign-in",
        "/sign-in?x",
    ],
)
def test_it_takes_a_redirect_to_a_sign_in_page_for_a_private_chat(site, location):
    answers(site, 302, Location=location)
    assert refusal(site).code == "private_or_login"
    assert site.paths() == ["/share/x"]


@pytest.mark.parametrize("status", [300, 304])
def test_it_does_not_take_an_answer_without_a_body_for_a_chat(site, status):
    answers(site, status)
    error = refusal(site)
    assert (error.code, error.extra) == ("fetch_failed", {"status": status})


def test_it_says_that_the_chat_is_gone(site):
    answers(site, 404, json.dumps({"detail": {"code": "shared_conversation_deleted"}}).encode())
    assert refusal(site).code == "gone"


def test_it_posts_a_form_once_and_follows_no_redirect_of_it(site):
    answers(site, 200, b"here")
    assert get(site, form=b"a=1&b=%20").body == b"here"
    [(_, headers)] = site.seen
    assert site.forms == [b"a=1&b=%20"]
    assert headers["content-type"] == "application/x-www-form-urlencoded;charset=UTF-8"
    answers(site, 307, Location="/share/y")
    assert refusal(site, form=b"a=1").code == "fetch_failed"
    assert site.paths() == ["/share/x", "/share/x"]


def test_it_says_where_it_can_be_found_out_who_asks(site):
    answers(site, 200, b"{}")
    get(site, contact="https://draftloom.example.org")
    agent = site.seen[0][1]["user-agent"]
    assert agent == "Draftloom/1 (+https://draftloom.example.org; import of a shared chat on its owner's request)"


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize(
    "body", [CHALLENGE, b"<script>window._cf_chl_opt={}</script>", b'src="/cdn-cgi/challenge-platform/x"']
)
def test_it_tells_a_bot_check_by_its_page(site, status, body):
    answers(site, status, body)
    assert refusal(site).code == "bot_challenge"


def test_it_tells_a_bot_check_by_its_header(site):
    answers(site, 403, b"", cf_mitigated="challenge")
    assert refusal(site).code == "bot_challenge"


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_it_says_what_to_do_instead_and_nothing_of_the_answer(site, status):
    answers(site, status, b"private words")
    detail = refusal(site).detail
    assert "paste" in detail
    assert "private words" not in detail
    assert "127.0.0.1" not in detail
