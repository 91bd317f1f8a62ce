import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers.base import ImporterError
from integrations.importers.links import FETCHABLE_HOSTS, Request, ShareLink, parse_share_url
from integrations.tests.fixtures.hostile_urls import HOSTILE_URLS

ID = "5f0c2f4e-1111-8003-9975-0a1b2c3d4e5f"
URL = f"https://chatgpt.com/share/{ID}"
CLAUDE = f"https://claude.ai/share/{ID}"
GROK = f"https://grok.com/share/bGVnYWN5_{ID}"
BRANCHPROMPT = "https://v2.branchprompt.com/conversation/0123456789abcdef01234567"
GEMINI = "https://gemini.google.com/share/a1b2c3d4e5f6"
ALL = (URL, CLAUDE, GROK, BRANCHPROMPT, GEMINI)


def refusal(text: str) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        parse_share_url(text)
    assert caught.value.code == "unsupported_url"
    return caught.value


def test_it_rebuilds_the_link_from_its_id():
    answer = Request(f"https://chatgpt.com/backend-api/share/{ID}")
    assert parse_share_url(URL) == ShareLink("chatgpt", ID, URL, "chatgpt.com", (answer, Request(URL)))


@pytest.mark.parametrize("url", ALL)
def test_it_only_makes_addresses_that_may_be_fetched(url):
    link = parse_share_url(url)
    assert link.url == url
    assert link.host in FETCHABLE_HOSTS
    assert 1 <= len(link.requests) <= 2
    assert all(request.url.startswith(f"https://{link.host}/") for request in link.requests)
    assert all(link.id in request.url for request in link.requests)


@pytest.mark.parametrize(
    ("spelling", "url"),
    [
        *[(f"  {url}\n", url) for url in ALL],
        *[(f"\t{url}\r\n", url) for url in ALL],
        *[(f"{url}/", url) for url in ALL],
        *[(f"{url}?utm_source=x&a=https://evil.example/", url) for url in ALL],
        *[(f"{url}/?a=b#c?d", url) for url in ALL],
        (f"https://chat.openai.com/share/{ID}", URL),
        (f"HTTPS://ChatGPT.com/share/{ID.upper()}", URL),
        (f"https://CLAUDE.ai/share/{ID.upper()}", CLAUDE),
        (f"https://www.grok.com/share/bGVnYWN5_{ID}?rid=1", GROK),
        ("https://g.co/gemini/share/a1b2c3d4e5f6", GEMINI),
        ("https://gemini.google.com/share/a1b2c3d4e5f6?hl=de", GEMINI),
        (
            f"https://grok.com/share/c2hhcmQtMg=={'_' + ID}",
            f"https://grok.com/share/c2hhcmQtMg%3D%3D_{ID}",
        ),
        (f"https://grok.com/share/c2hhcmQtMg%3d%3D_{ID}", f"https://grok.com/share/c2hhcmQtMg%3D%3D_{ID}"),
    ],
)
def test_it_gives_every_spelling_of_a_link_the_same_address(spelling, url):
    assert parse_share_url(spelling) == parse_share_url(url)
    assert parse_share_url(spelling).url == url


def test_it_keeps_an_id_of_groks_as_it_is_and_quotes_it_in_addresses():
    link = parse_share_url(f"https://grok.com/share/c2hhcmQtMg%3D%3D_{ID}")
    assert link.id == f"c2hhcmQtMg==_{ID}"
    assert [request.url for request in link.requests] == [
        f"https://grok.com/rest/app-chat/share_links/c2hhcmQtMg%3D%3D_{ID}",
        f"https://grok.com/rest/app-chat/share_links_data/c2hhcmQtMg%3D%3D_{ID}",
    ]


@pytest.mark.parametrize("text", HOSTILE_URLS)
def test_it_refuses_what_is_made_to_lead_elsewhere(text):
    assert refusal(text).detail.startswith("This is not a share link")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "chatgpt.com",
        f"chatgpt.com/share/{ID}",
        f"//chatgpt.com/share/{ID}",
        f"https://chatgpt.com/share/{ID}/continue",
        f"https://chatgpt.com/share/{ID}x",
        f"https://chatgpt.com/share/{ID[:-1]}",
        f"https://chatgpt.com/share/{ID.replace('-', '')}",
        f"https://chatgpt.com/share/{ID[:-1]}g",
        f"https://claude.ai/share/{ID}/x",
        f"https://www.claude.ai/share/{ID}",
        "https://grok.com/share/",
        "https://grok.com/share/a/b",
        "https://v2.branchprompt.com/conversation/0123456789ABCDEF01234567",
        "https://v2.branchprompt.com/conversation/0123456789abcdef0123456",
        "https://branchprompt.com/conversation/0123456789abcdef01234567",
        "https://gemini.google.com/share/",
        "https://g.co/share/a1b2c3d4e5f6",
        f"x {URL}",
        f"{URL} x",
    ],
)
def test_it_refuses_what_only_resembles_a_link(text):
    assert refusal(text).detail.startswith("This is not a share link")


@pytest.mark.parametrize(
    "url",
    [
        f"https://chatgpt.com/c/{ID}",
        f"https://chat.openai.com/c/{ID}?model=x",
        f"https://chatgpt.com/g/g-abc-helper/c/{ID}",
        f"https://claude.ai/chat/{ID}",
        f"https://grok.com/c/{ID}",
        f"https://grok.com/chat/{ID}?rid=1",
        "https://gemini.google.com/app/a1b2c3d4e5f6",
        "https://gemini.google.com/u/1/app/a1b2c3d4e5f6?hl=de",
        "https://aistudio.google.com/app/prompts/1AbC",
    ],
)
def test_it_sends_the_owner_of_a_private_chat_to_the_share_button(url):
    detail = refusal(url).detail
    assert "private chat" in detail
    assert "Share button" in detail


@pytest.mark.parametrize(
    ("url", "word"),
    [
        (f"https://chatgpt.com/share/e/{ID}", "workspace"),
        ("https://chatgpt.com/s/t_0123456789abcdef0123456789abcdef", "single message"),
        ("https://chatgpt.com/s/cx_0123456789abcdef0123456789abcdef", "Codex"),
        ("https://chatgpt.com/canvas/shared/0123456789abcdef", "canvas"),
        (f"https://claude.ai/public/artifacts/{ID}", "artifact"),
        ("https://x.com/i/grok/share/AbCdEf123", "Grok on X"),
        ("https://x.com/i/grok?conversation=123456", "Grok on X"),
        ("https://twitter.com/i/grok/share/AbCdEf123", "Grok on X"),
        ("https://share.gemini.google/AbCdEf12", "short link"),
    ],
)
def test_it_says_what_to_do_about_links_that_it_knows_but_cannot_read(url, word):
    detail = refusal(url).detail
    assert word in detail
    assert "paste" in detail


def test_it_does_not_repeat_the_text_in_its_refusal():
    for url in ("https://evil.example/secret-word", "https://claude.ai/chat/secret-word"):
        assert "secret-word" not in refusal(url).detail


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(ALL), st.integers(0, 80), st.text(max_size=4), st.integers(0, 3))
def test_it_leads_nowhere_else_whatever_is_put_into_a_link(url, place, text, dropped):
    changed = url[:place] + text + url[place + dropped :]
    try:
        link = parse_share_url(changed)
    except ImporterError as error:
        assert error.code == "unsupported_url"
        return
    assert link.host in FETCHABLE_HOSTS
    for request in link.requests:
        assert request.url.startswith(f"https://{link.host}/")
        assert request.url.isascii()
        assert request.url.isprintable()
        assert ".." not in request.url
