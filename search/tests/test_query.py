"""What a query is taken for."""

import pytest

from search.query import parse

UUID = "68d1a7c2-4b5e-8001-9c3d-0123456789ab"
SHARE = f"https://chatgpt.com/share/{UUID}"
LINEAR = "https://linear.app/team/project/lighthouse-1a2b"


def test_words_stay_words():
    query = parse("build a  lighthouse")
    assert (query.text, query.words, query.phrases, query.urls, query.linear_urls) == (
        "build a lighthouse",
        "build a lighthouse",
        (),
        (),
        (),
    )
    assert not query.is_link


@pytest.mark.parametrize(
    "typed",
    [
        SHARE,
        SHARE + "/",
        SHARE + "?utm_source=x#top",
        f"<{SHARE}>",
        f"({SHARE}).",
        SHARE.replace("chatgpt.com", "chat.openai.com"),
        SHARE.upper(),
        f"https://chatgpt.com/c/{UUID}",
        UUID,
        UUID.upper(),
    ],
)
def test_it_knows_the_page_that_a_link_or_an_id_means(typed: str):
    query = parse(typed)
    assert SHARE in query.urls
    assert f"draftloom:import/chatgpt/{UUID}" in query.urls
    assert query.is_link


def test_it_knows_a_page_of_claude_and_an_import_without_a_page():
    assert f"https://claude.ai/share/{UUID}" in parse(f"https://claude.ai/share/{UUID}?x=1").urls
    assert parse("draftloom:import/text/abc").urls == ("draftloom:import/text/abc",)


def test_it_knows_an_id_of_branchprompt_in_small_letters_only():
    page = "https://v2.branchprompt.com/conversation/0123456789abcdef01234567"
    assert page in parse("0123456789abcdef01234567").urls
    assert page in parse(page).urls
    assert parse("0123456789ABCDEF01234567").urls == ()
    assert parse("0123456789abcdef012345678").urls == ()


def test_it_takes_a_grok_page_as_it_is():
    page = "https://grok.com/share/c2hhcmQtMg%3D%3D_" + UUID
    assert page in parse(f"what was {page} about").urls


@pytest.mark.parametrize("end", ["", "/", "/overview", "/issues?layout=list", "#top", ","])
def test_it_knows_a_project_of_linear_by_any_of_its_tabs(end: str):
    query = parse(f"see {LINEAR}{end}")
    assert LINEAR in query.linear_urls
    assert query.urls == ()


def test_a_link_among_words_leaves_the_words():
    query = parse(f"lamp {SHARE} of glass")
    assert (query.text, query.words, query.is_link) == ("lamp of glass", "lamp of glass", False)


def test_a_link_alone_is_compared_with_texts_as_it_stands():
    assert parse(SHARE).words == SHARE


@pytest.mark.parametrize("typed", ['"glass lamp" tower', "“glass lamp” tower", "„glass lamp“ tower"])
def test_it_knows_quoted_phrases(typed: str):
    query = parse(typed)
    assert (query.phrases, query.text) == (("glass lamp",), "glass lamp tower")


@pytest.mark.parametrize(("typed", "phrases"), [('"', ()), ('""', ()), ('"?!"', ()), ('a "b', ()), ('"a" "a"', ("a",))])
def test_quotation_marks_may_hold_nothing(typed: str, phrases: tuple[str, ...]):
    assert parse(typed).phrases == phrases


def test_it_keeps_a_few_phrases_only():
    assert len(parse(" ".join(f'"phrase {number}"' for number in range(50))).phrases) == 8


@pytest.mark.parametrize(
    "typed", ["", " ", "https://", "http://[", "draftloom:import/", "\x00", "🙂" * 500, "-" * 1000]
)
def test_it_takes_anything(typed: str):
    assert parse(typed).typed == typed
