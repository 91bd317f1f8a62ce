from typing import Any

import pytest

from integrations.importers.base import ImporterError
from integrations.importers.citations import resolve_citations

CITE = "\ue200cite\ue202turn0search3\ue201"


def reference(text: str, matched: str, **members) -> dict[str, Any]:
    start = text.index(matched)
    return {"matched_text": matched, "start_idx": start, "end_idx": start + len(matched)} | members


def resolved(text: str, *references: dict[str, Any]) -> str:
    return resolve_citations(text, {"content_references": list(references)})


def webpages(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "grouped_webpages", "items": list(items), "alt": "(alt)"}


def test_it_makes_a_link_of_a_cited_page():
    text = f"Beans climb. {CITE} Peas too."
    page = {"title": "On beans", "url": "https://a.example/beans", "attribution": "The Garden"}
    assert resolved(text, reference(text, CITE, **webpages(page))) == (
        "Beans climb. ([The Garden](https://a.example/beans)) Peas too."
    )


def test_it_makes_a_link_of_each_of_several_pages():
    text = f"Beans.{CITE}"
    pages = [{"title": "A [1]", "url": "https://a.example/(x)"}, {"url": "http://b.example"}]
    assert resolved(text, reference(text, CITE, **webpages(*pages))) == (
        "Beans.([A 1](https://a.example/%28x%29), [source](http://b.example))"
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "https://a.example/ b", "", None, 5])
def test_it_links_to_nothing_but_the_web(url):
    text = f"Beans.{CITE}"
    assert resolved(text, reference(text, CITE, **webpages({"title": "Page", "url": url}))) == "Beans.(Page)"


def test_it_falls_back_to_the_words_that_stand_for_a_mark():
    text = f"Beans.{CITE}"
    assert resolved(text, reference(text, CITE, **webpages())) == "Beans.(alt)"
    assert resolved(text, reference(text, CITE, type="grouped_webpages", items=None, alt=None)) == "Beans."


def test_it_puts_the_name_back_where_an_entity_is_marked():
    mark = '\ue200entity\ue202["city","Ghent","in Belgium"]\ue201'
    text = f"I like {mark} best."
    assert resolved(text, reference(text, mark, type="entity", alt="Ghent")) == "I like Ghent best."
    assert resolved(text) == "I like Ghent best."


def test_it_names_a_cited_file():
    mark = "\ue200filecite\ue202turn0file0\ue201"
    text = f"See {mark}."
    assert resolved(text, reference(text, mark, type="file", name="plan.pdf", alt=None)) == "See [file: plan.pdf]."


def test_it_counts_offsets_in_code_points():
    text = f"🌱🌱 Beans {CITE} 🌱"
    assert resolved(text, reference(text, CITE, type="alt_text", alt="(here)")) == "🌱🌱 Beans (here) 🌱"


def test_it_replaces_several_marks_of_one_wording_each_in_its_place():
    text = f"A{CITE}B{CITE}C"
    first = reference(text, CITE, type="alt_text", alt="1")
    second = {**first, "start_idx": 2 + len(CITE), "end_idx": 2 + 2 * len(CITE), "alt": "2"}
    assert resolved(text, second, first) == "A1B2C"


def test_it_takes_the_first_of_two_references_that_overlap():
    text = f"A{CITE}B"
    first = reference(text, CITE, type="alt_text", alt="1")
    assert resolved(text, first, first | {"alt": "2"}) == "A1B"


def test_it_does_not_delete_spaces_for_a_footnote_of_sources():
    text = "One two three"
    footnote = {"matched_text": " ", "start_idx": 13, "end_idx": 13, "type": "sources_footnote", "alt": ""}
    assert resolved(text, footnote, footnote | {"start_idx": 3, "end_idx": 4}) == text


@pytest.mark.parametrize(
    "broken",
    [
        {"start_idx": None},
        {"start_idx": -1},
        {"end_idx": 10**9},
        {"end_idx": 0},
        {"start_idx": 0.0},
        {"start_idx": True},
        {"matched_text": "other"},
        {"matched_text": None},
        {"matched_text": ["x"]},
    ],
)
def test_it_changes_nothing_where_a_reference_does_not_fit(broken):
    text = "Plain words"
    assert resolved(text, reference(text, "words", type="alt_text", alt="lost") | broken) == text


@pytest.mark.parametrize("references", [None, 5, "x", {}, [None, 3, []]])
def test_it_survives_references_that_are_none(references):
    metadata = {"content_references": references, "citations": references}
    assert resolve_citations(f"Words{CITE}", metadata) == "Words"


@pytest.mark.parametrize(
    "text",
    [
        f"Beans{CITE} grow",
        "Beans\ue200navlist\ue202More\ue202turn0news1,turn0news2\ue201 grow",
        "Beans\ue200entity\ue202not json\ue201 grow",
        'Beans\ue200entity\ue202["x"]\ue201 grow',
        "\ue203Beans\ue204 grow",
        "Beans\ue205\ue206 grow",
        "Beans\ue201 grow\ue200",
    ],
)
def test_it_leaves_no_mark_behind(text):
    assert resolved(text) == "Beans grow"


def test_it_resolves_the_older_style():
    text = "Beans climb【11†source】, peas too【4:2†notes.txt】."
    citation = {"start_ix": 11, "end_ix": 22, "metadata": {"title": "On beans", "url": "https://a.example"}}
    assert resolve_citations(text, {"citations": [citation]}) == "Beans climb[On beans](https://a.example), peas too."


def test_it_keeps_brackets_that_are_no_mark():
    assert resolved("【注意】 and 【2024】") == "【注意】 and 【2024】"


def test_it_takes_linear_time_for_marks_that_never_end():
    assert resolved("\ue200" * 500_000) == ""


def test_it_does_not_grow_without_limit():
    text = CITE * 5000
    references = [
        {
            "matched_text": CITE,
            "start_idx": len(CITE) * number,
            "end_idx": len(CITE) * (number + 1),
            "type": "alt_text",
            "alt": "x" * 20_000,
        }
        for number in range(5000)
    ]
    with pytest.raises(ImporterError) as caught:
        resolved(text, *references)
    assert caught.value.code == "too_large"
