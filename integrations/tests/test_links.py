import pytest

from integrations.importers.base import ImporterError
from integrations.importers.links import FETCHABLE_HOSTS, ShareLink, parse_share_url

ID = "5f0c2f4e-1111-8003-9975-0a1b2c3d4e5f"
URL = f"https://chatgpt.com/share/{ID}"


def refusal(text: str) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        parse_share_url(text)
    assert caught.value.code == "unsupported_url"
    return caught.value


def test_it_rebuilds_the_link_from_its_id():
    assert parse_share_url(URL) == ShareLink(
        source="chatgpt",
        id=ID,
        url=URL,
        host="chatgpt.com",
        page_url=URL,
        json_url=f"https://chatgpt.com/backend-api/share/{ID}",
    )


@pytest.mark.parametrize(
    "spelling",
    [
        f"  {URL}\n",
        f"\t{URL}\r\n",
        f"{URL}/",
        f"{URL}?utm_source=x&a=https://evil.example/",
        f"{URL}#part",
        f"{URL}/?a=b#c?d",
        f"https://chat.openai.com/share/{ID}",
        f"HTTPS://ChatGPT.com/share/{ID.upper()}",
    ],
)
def test_it_gives_every_spelling_of_a_link_the_same_address(spelling):
    assert parse_share_url(spelling) == parse_share_url(URL)


def test_it_only_makes_addresses_that_may_be_fetched():
    link = parse_share_url(URL)
    assert link.host in FETCHABLE_HOSTS
    assert link.json_url is not None
    assert link.page_url.startswith(f"https://{link.host}/")
    assert link.json_url.startswith(f"https://{link.host}/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "chatgpt.com",
        f"chatgpt.com/share/{ID}",
        f"//chatgpt.com/share/{ID}",
        f"http://chatgpt.com/share/{ID}",
        f"ftp://chatgpt.com/share/{ID}",
        f"file:///share/{ID}",
        f"https://chatgpt.com@evil.example/share/{ID}",
        f"https://user:pw@chatgpt.com/share/{ID}",
        f"https://@chatgpt.com/share/{ID}",
        f"https://chatgpt.com:443/share/{ID}",
        f"https://chatgpt.com:8080/share/{ID}",
        f"https://chatgpt.com./share/{ID}",
        f"https://chatgpt.com.evil.example/share/{ID}",
        f"https://evil-chatgpt.com/share/{ID}",
        f"https://evil.chatgpt.com/share/{ID}",
        f"https://chatgpt%2ecom/share/{ID}",
        f"https://chatgpt.com%00.evil.example/share/{ID}",
        f"https://ｃhatgpt.com/share/{ID}",
        f"https://chatgpt。com/share/{ID}",
        f"https://xn--chatgpt-abc.com/share/{ID}",
        f"https://127.0.0.1/share/{ID}",
        f"https://[::1]/share/{ID}",
        f"https://2130706433/share/{ID}",
        f"https:/chatgpt.com/share/{ID}",
        f"https:\\\\chatgpt.com\\share\\{ID}",
        f"https://chatgpt.com\\@evil.example/share/{ID}",
        f"https://chatgpt.com/share/../share/{ID}",
        f"https://chatgpt.com/share/%2e%2e/{ID}",
        f"https://chatgpt.com//share/{ID}",
        f"https://chatgpt.com/share//{ID}",
        f"https://chatgpt.com/share/{ID}/../../x",
        f"https://chatgpt.com/share/{ID}/continue",
        f"https://chatgpt.com/share/{ID}x",
        f"https://chatgpt.com/share/{ID[:-1]}",
        f"https://chatgpt.com/share/{ID.replace('-', '')}",
        f"https://chatgpt.com/share/{ID[:-1]}g",
        f"https://chatgpt.com/share/{ID[:-1]}٣",
        f"https://chatgpt.com/share/{ID}\nhttps://evil.example/",
        f"https://chatgpt.com/share/{ID}\n.evil.example",
        f"https://chatgpt.com/\nshare/{ID}",
        f"https://chat\tgpt.com/share/{ID}",
        f"https://chatgpt.com/share/{ID}?a b",
        f"https://chatgpt.com/share/{ID}?a\x00b",
        f"https://chatgpt.com/share/{ID}%0d%0aHost:evil.example",
        f"x {URL}",
        f"{URL} x",
        f"javascript:{URL}",
        f"\u200b{URL}",
        f"https://grok.com/share/../../{ID}",
        "https://x.com/i/grok/share/abc",
    ],
)
def test_it_refuses_everything_else_without_saying_it_knows_the_product(text):
    assert refusal(text).detail.startswith("This is not a share link")


@pytest.mark.parametrize("host", ["chatgpt.com", "chat.openai.com"])
@pytest.mark.parametrize("path", [f"c/{ID}", f"g/g-abc-helper/c/{ID}", f"c/{ID}?model=x"])
def test_it_sends_the_owner_of_a_private_chat_to_the_share_button(host, path):
    assert "Share button" in refusal(f"https://{host}/{path}").detail


@pytest.mark.parametrize("url", [f"https://claude.ai/chat/{ID}", f"https://grok.com/c/{ID}"])
def test_it_knows_private_chats_of_other_products(url):
    assert "private chat" in refusal(url).detail


@pytest.mark.parametrize(
    ("url", "product"),
    [
        (f"https://claude.ai/share/{ID}", "Claude"),
        (f"https://grok.com/share/bGVnYWN5_{ID}", "Grok"),
        (f"https://grok.com/share/c2hhcmQtMg%3D%3D_{ID}?rid=1", "Grok"),
        ("https://v2.branchprompt.com/conversation/0123456789abcdef01234567", "BranchPrompt"),
        (f"https://chatgpt.com/share/e/{ID}", "workspace"),
    ],
)
def test_it_says_what_to_do_about_links_that_it_knows_but_cannot_read(url, product):
    detail = refusal(url).detail
    assert product in detail
    assert "paste it instead" in detail


def test_it_does_not_repeat_the_text_in_its_refusal():
    assert "secret-word" not in refusal("https://evil.example/secret-word").detail
