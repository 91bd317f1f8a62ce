import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers.base import ImporterError
from integrations.refusals import error_of
from integrations.robots import KEPT_SECONDS, Robots, Rules, parse


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/share/1", True),
        ("Disallow: /", "/share/1", False),
        ("Disallow:", "/share/1", True),
        ("Disallow: /\nAllow: /share/", "/share/1", True),
        ("Allow: /share/\nDisallow: /", "/share/1", True),
        ("Disallow: /\nAllow: /share/", "/backend-api/share/1", False),
        ("Disallow: /share/1\nAllow: /share/", "/share/1", False),
        ("Disallow: /share/\nAllow: /share/", "/share/1", True),
        ("Disallow: /*/share", "/a/b/share", False),
        ("Disallow: /*/share", "/share", True),
        ("Disallow: /*?mode=", "/a?mode=1", False),
        ("Disallow: /share$", "/share", False),
        ("Disallow: /share$", "/share/1", True),
        ("Disallow: /*.json$", "/a.json.json", False),
        ("Disallow: /*.json$", "/a.json?x", True),
        ("Disallow: /a*b$", "/ab", False),
        ("Disallow: /ab*b$", "/ab", True),
        ("Disallow: *", "/share", False),
        ("disallow : /share # not now", "/share", False),
        ("Crawl-delay: 5\nDisallow: /x", "/x", False),
    ],
)
def test_it_lets_the_longest_pattern_decide(rules, path, allowed):
    assert parse(f"User-agent: *\n{rules}").allow(path) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: Draftloom\nDisallow: /x", True),
        ("User-agent: DRAFTLOOM\nDisallow: /\n\nUser-agent: *\nAllow: /", False),
        ("User-agent: other\nUser-agent: draftloom\n\nDisallow: /", False),
        ("User-agent: *\nAllow: /x\nUser-agent: other\nDisallow: /", True),
        ("User-agent: *\nAllow: /x\n\nUser-agent: *\nDisallow: /", False),
        ("Disallow: /", True),
        ("\ufeffUser-agent: *\r\nDisallow: /\r\n", False),
        ("<!DOCTYPE html><html><body>Log in: please</body></html>", True),
    ],
)
def test_it_goes_by_the_group_that_names_it(text, allowed):
    assert parse(text).allow("/share/1") is allowed


def test_it_is_not_held_up_by_a_hostile_file():
    started = time.monotonic()
    assert parse("User-agent: *\nDisallow: /" + "*a" * 200_000 + "b").allow("/" + "a" * 500)
    assert time.monotonic() - started < 2


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="User-agnt: *Dilow/$#\n\r\x00", max_size=300), st.text(max_size=20))
def test_it_reads_any_text(text, path):
    assert parse(f"User-agent: *\n{text}").allow(f"/{path}") in (True, False)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_it_asks_for_the_rules_of_a_host_once_a_day():
    clock, asked = Clock(), []
    robots = Robots(clock)

    def read() -> bytes:
        asked.append(clock.now)
        return b"User-agent: *\nDisallow: /x\xff"

    for _ in range(3):
        assert not robots.rules_of("a.example", read).allow("/x\ufffd")
    assert robots.rules_of("b.example", lambda: b"").allow("/x\ufffd")
    clock.now += KEPT_SECONDS - 1
    robots.rules_of("a.example", read)
    assert len(asked) == 1
    clock.now += 2
    robots.rules_of("a.example", read)
    assert len(asked) == 2


def refuses(error: ImporterError):
    def read() -> bytes:
        raise error

    return read


@pytest.mark.parametrize("error", [error_of("fetch_failed", status=404), error_of("bot_challenge", status=403)])
def test_it_finds_no_rules_where_a_site_has_none_for_it(error):
    assert Robots().rules_of("a.example", refuses(error)) == Rules()


@pytest.mark.parametrize(
    "error",
    [
        error_of("fetch_failed", status=500),
        error_of("timeout"),
        error_of("fetch_failed", stage="address"),
        error_of("rate_limited", status=429),
    ],
)
def test_it_fetches_nothing_while_the_rules_cannot_be_asked_for(error):
    robots = Robots()
    with pytest.raises(ImporterError) as caught:
        robots.rules_of("a.example", refuses(error))
    assert caught.value is error
    assert robots.rules_of("a.example", lambda: b"User-agent: *\nDisallow: /") != Rules()
