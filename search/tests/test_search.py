"""`GET /api/search`: what is found, in which order, and what is told of it."""

from itertools import product
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from config.tests.making import make_conversation, make_draft, make_turn
from conversations.models import Conversation
from drafts.models import Project
from search.models import CommonWord
from search.tests.found import ask, hits, keys, marked, titles
from search.tests.index import attach, index_all, make_due

pytestmark = pytest.mark.django_db
SHARE = "https://chatgpt.com/share/68d1a7c2-4b5e-8001-9c3d-0123456789ab"
LINEAR = "https://linear.app/team/project/pier-1a2b"


def made(user: User, title: str, *texts: str, **fields: Any) -> Conversation:
    chat = [{"role": "user", "content": text} for text in texts]
    return make_conversation(user, title, imported_chat=chat, **fields)


@pytest.fixture
def three(alice: User) -> dict[str, Conversation]:
    """A lighthouse with all kinds of content, bread, and a pier that is a Linear project."""
    lighthouse = made(alice, "A lighthouse", "How high is a tower on the rocks?", "Sixty metres, with a lamp of glass.")
    draft = make_draft(lighthouse, "Old plan", "Beacon plan")
    make_turn(draft, "Which lens do we need?", "A Fresnel lens.")
    attach(lighthouse, "Invoice for mercury bearings", "invoice.txt")
    bread = made(alice, "Baking bread", "My sourdough smells of vinegar.", "Feed it with rye flour.", url=SHARE)
    pier = made(alice, "The pier", "Oak piles in sea water.", is_locked=True, source="claude")
    user = pier.imported_by_user
    Project.objects.create(
        conversation=pier, linear_project_id="p", title="Pier", description="", linear_url=LINEAR, created_by_user=user
    )
    index_all()
    return {"lighthouse": lighthouse, "bread": bread, "pier": pier}


# ── Levels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_finds_a_chat_by_its_link(alices: Client, three: dict[str, Conversation]):
    for typed in (SHARE, f"{SHARE}?utm=1", SHARE.rpartition("/")[2].upper(), f"see {SHARE}, please"):
        best = hits(alices, typed)[0]
        assert (best["conversation_id"], best["content_type"]) == (three["bread"].pk, "imported_chat"), typed
        assert (best["matched_by"][0], best["score"]) == ("url", 1.0), typed


def test_it_finds_a_conversation_by_its_project_in_linear(alices: Client, three: dict[str, Conversation]):
    best = hits(alices, f"{LINEAR}/overview")[0]
    assert keys([best]) == [(three["pier"].pk, "conversation")]
    assert (best["matched_by"], best["score"]) == (["linear"], 1.0)


def test_a_hit_by_link_comes_before_one_by_title_and_that_before_words(
    alices: Client, alice: User, three: dict[str, Conversation]
):
    made(alice, "Fresnel", "Nothing of the kind.")
    made(alice, "Other", "A Fresnel lens, and a Fresnel lens.")
    index_all()
    found = hits(alices, f"Fresnel {SHARE}")
    assert [hit["matched_by"][0] for hit in found[:3]] == ["url", "title", "words"]
    assert [hit["score"] for hit in found[:2]] == [1.0, 1.0]
    scores = [hit["score"] for hit in found]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] < 1


def test_it_finds_titles(alices: Client, three: dict[str, Conversation]):
    for typed, first in {
        "the pier": "The pier",
        "pie": "The pier",
        "ier": "The pier",
        "bread baking": "Baking bread",
        "bake breads": "Baking bread",
        "lightho": "A lighthouse",
    }.items():
        best = hits(alices, typed)[0]
        assert (best["conversation_title"], best["matched_by"], best["score"]) == (first, ["title"], 1.0), typed
        assert (best["content_type"], best["content_snippet"]) == ("conversation", first)


def test_the_same_title_comes_before_one_that_begins_so_and_one_that_holds_it(alices: Client, alice: User):
    for title in ("All about tea", "Tea time", "Tea", "Green tea is tea"):
        made(alice, title, "x")
    index_all()
    found = titles(alices, "tea")
    assert found[:2] == ["Tea", "Tea time"]
    assert set(found[2:]) == {"All about tea", "Green tea is tea"}


def test_it_helps_with_typing_errors_in_titles(alices: Client, three: dict[str, Conversation]):
    best = hits(alices, "lighthuose")[0]
    assert (best["conversation_title"], best["matched_by"]) == ("A lighthouse", ["title"])


def test_it_does_not_guess_at_titles_where_words_were_found(alices: Client, alice: User):
    made(alice, "Stocks and bonds", "Money.")
    made(alice, "Knitting", "Two pairs of socks.")
    index_all()
    assert titles(alices, "socks")[0] == "Knitting"
    assert all(hit["matched_by"] != ["title"] for hit in hits(alices, "socks"))
    assert hits(alices, "stokcs")[0]["matched_by"] == ["title"]


def test_it_finds_words_in_each_kind_of_content(alices: Client, three: dict[str, Conversation]):
    lighthouse = three["lighthouse"].pk
    for typed, kind in {
        "metres": "imported_chat",
        "Fresnel": "draft_chat",
        "beacon": "project_draft",
        "mercury": "attachment",
    }.items():
        best = hits(alices, typed)[0]
        assert (best["conversation_id"], best["content_type"]) == (lighthouse, kind)
        assert "words" in best["matched_by"]


def test_a_hit_says_where_it_is_from(alices: Client, three: dict[str, Conversation]):
    places = ("message_index", "sequence_number", "version_id", "file_id")

    def place(typed: str) -> dict[str, int]:
        best = hits(alices, typed)[0]
        return {name: best[name] for name in places if best[name] is not None}

    draft = three["lighthouse"].project_draft
    assert place("metres") == {"message_index": 1}
    assert place("fresnel") == {"sequence_number": 2}
    assert place("beacon") == {"version_id": draft.active_version_id}
    assert place("mercury") == {"file_id": three["lighthouse"].file_attachments.get().pk}


def test_it_finds_what_means_the_same(alices: Client, three: dict[str, Conversation]):
    best = hits(alices, "flour and yeast")[0]
    assert best["conversation_id"] == three["bread"].pk
    assert "meaning" in best["matched_by"]


def test_several_words_need_not_all_be_there_but_enough_of_them(alices: Client, alice: User):
    made(alice, "One", "zebra xylophone")
    made(alice, "Two", "zebra alone")
    index_all()
    assert by_words(alices, "zebra xylophone") == {"One"}
    assert by_words(alices, "zebra xylophone quagga") == {"One"}
    assert by_words(alices, "zebra quagga okapi") == set()


def by_words(client: Client, typed: str) -> set[str]:
    return {hit["conversation_title"] for hit in hits(client, typed) if "words" in hit["matched_by"]}


def test_quoted_words_must_be_there_as_they_are(alices: Client, alice: User):
    made(alice, "Lamp", "A glass lamp in the tower")
    made(alice, "Window", "A lamp of glass in the tower")
    made(alice, "Tower", "Nothing but a tower of stone, a tower, a tower")
    index_all()
    assert titles(alices, '"glass lamp" tower') == ["Lamp"]
    assert titles(alices, '"lamp of glass"') == ["Window"]
    assert titles(alices, '"glass lamp" "of stone"') == []
    (best,) = hits(alices, '"glass lamp"')
    assert marked(best) == ["glass lamp"]


def test_quoted_words_count_in_titles_too(alices: Client, alice: User):
    made(alice, "Glass lamp", "x")
    made(alice, "Lamp of glass", "x")
    index_all()
    assert titles(alices, '"glass lamp"') == ["Glass lamp"]


def test_a_quotation_of_words_that_say_nothing_is_none(alices: Client, three: dict[str, Conversation]):
    assert "The pier" in titles(alices, '"of the" pier')


def test_words_that_most_texts_have_do_not_decide(alices: Client, alice: User):
    made(alice, "Common", "project plan meeting")
    made(alice, "Rare", "project okapi")
    index_all()
    CommonWord.objects.create(lexeme="project")
    CommonWord.objects.create(lexeme="plan")
    assert by_words(alices, "project plan okapi") == {"Rare"}
    assert by_words(alices, "project plan") == {"Common"}  # nothing else was asked for


# ── The answer ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_has_the_shape_that_clients_know(alices: Client, alice: User, three: dict[str, Conversation]):
    body = ask(alices, "metres")
    assert set(body) == {"results", "stats", "total_count", "total_is_capped", "has_more", "degraded"}
    assert body["stats"].keys() == {"query", "total_results", "execution_time_ms", "results_by_type"}
    assert body["stats"]["query"] == "metres"
    assert body["stats"]["results_by_type"]["imported_chat"] >= 1
    hit = body["results"][0]
    assert hit["id"] == 0
    assert hit["created_at"] == alices.get(f"/api/conversations/{three['lighthouse'].pk}").json()["created_at"]
    assert (hit["created_by_user_name"], hit["created_by_user_email"]) == (alice.name, alice.email)
    assert hit["content_snippet"] == "Sixty metres, with a lamp of glass."
    assert marked(hit) == ["metres"]
    assert not body["degraded"] and not body["total_is_capped"]


def test_it_gives_one_hit_for_each_conversation_and_kind_of_content(alices: Client, alice: User):
    made(alice, "Many", *["A zebra " + "word " * number for number in range(30)])
    index_all()
    assert len([hit for hit in hits(alices, "zebra") if hit["content_type"] == "imported_chat"]) == 1


def test_it_finds_nothing_where_nothing_is(alices: Client):
    body = ask(alices, "anything")
    assert (body["results"], body["total_count"], body["has_more"]) == ([], 0, False)


def test_it_finds_titles_before_anything_is_indexed(alices: Client, alice: User):
    made(alice, "A lighthouse", "x")
    assert titles(alices, "lighthouse") == ["A lighthouse"]


def test_what_changed_is_found_by_its_new_words_only(alices: Client, alice: User):
    conversation = made(alice, "Changing", "okapi")
    index_all()
    assert by_words(alices, "okapi") == {"Changing"}
    conversation.imported_chat = [{"role": "user", "content": "quagga"}]
    conversation.save()
    make_due()
    index_all()
    assert (by_words(alices, "okapi"), by_words(alices, "quagga")) == (set(), {"Changing"})


# ── Order and pages ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def many(alice: User) -> list[Conversation]:
    made_ones = [
        made(alice, f"{'Zebra ' if number % 5 == 0 else ''}Notes {number:02}", f"zebra {'stripe ' * (number % 7)}")
        for number in range(40)
    ]
    index_all()
    return made_ones


def test_pages_hold_each_hit_once(alices: Client, many: list[Conversation]):
    for sort_by, sort_dir in product(("score", "relevance", "updated", "imported", "title"), ("asc", "desc")):
        order = {"sort_by": sort_by, "sort_dir": sort_dir}
        whole = ask(alices, "zebra", limit=100, **order)
        assert whole["total_count"] == len(whole["results"]) >= 48
        pages = [hits(alices, "zebra", limit=13, offset=offset, **order) for offset in range(0, 100, 13)]
        assert keys([hit for page in pages for hit in page]) == keys(whole["results"]), order
        assert len(set(keys(whole["results"]))) == whole["total_count"]


def test_ids_do_not_repeat_over_pages(alices: Client, many: list[Conversation]):
    ids = [hit["id"] for offset in (0, 7, 14) for hit in hits(alices, "zebra", limit=7, offset=offset)]
    assert ids[:7] == list(range(7)) and ids[7] == 7000
    assert len(set(ids)) == 21


def test_relevance_is_the_order_of_the_score(alices: Client, many: list[Conversation]):
    by_score = hits(alices, "zebra", limit=100)
    assert keys(hits(alices, "zebra", limit=100, sort_by="relevance")) == keys(by_score)
    assert len({hit["score"] for hit in by_score}) > 10
    ascending = hits(alices, "zebra", limit=100, sort_by="score", sort_dir="asc")
    assert keys(ascending) == keys(by_score)[::-1]


def test_it_sorts_by_what_is_asked_for(alices: Client, many: list[Conversation]):
    fields = {"updated": "updated_at", "imported": "import_date", "title": "title"}
    for (sort_by, field), sort_dir in product(fields.items(), ("asc", "desc")):
        values = dict(Conversation.objects.values_list("pk", field))
        found = hits(alices, "zebra", limit=100, sort_by=sort_by, sort_dir=sort_dir)
        shown = [values[hit["conversation_id"]] for hit in found]
        assert shown == sorted(shown, reverse=sort_dir == "desc")


def test_a_page_past_the_end_is_empty_and_knows_the_total(alices: Client, many: list[Conversation]):
    body = ask(alices, "zebra", offset=10**12)
    assert body["results"] == [] and body["total_count"] >= 48


def test_it_says_when_there_may_be_more_than_it_counts(alices: Client, alice: User):
    Conversation.objects.bulk_create(
        Conversation(title=f"Zebra {number}", url=f"x:{number}", imported_by_user=alice, source="text")
        for number in range(210)
    )
    body = ask(alices, "zebra")
    assert (body["total_count"], body["total_is_capped"]) == (200, True)


# ── Filters ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_filter_holds_for_every_hit(alices: Client, three: dict[str, Conversation]):
    Conversation.objects.filter(pk=three["bread"].pk).update(import_date="2025-03-04T23:30:00Z")
    everything = f"pier lighthouse bread oak tower {SHARE} {LINEAR}"
    assert set(titles(alices, everything)) == {"A lighthouse", "Baking bread", "The pier"}
    for parameters, expected in (
        ({"status": "completed"}, {"The pier"}),
        ({"status": "in_progress"}, {"A lighthouse", "Baking bread"}),
        ({"importer": "claude"}, {"The pier"}),
        ({"importer": "nobody"}, set()),
        ({"has_files": "true"}, {"A lighthouse"}),
        ({"has_files": "false"}, {"Baking bread", "The pier"}),
        ({"date_to": "2025-03-04"}, {"Baking bread"}),
        ({"date_to": "2025-03-03"}, set()),
        ({"date_from": "2025-03-04", "date_to": "2025-03-04"}, {"Baking bread"}),
        ({"date_from": "2025-03-05"}, {"A lighthouse", "The pier"}),
        ({"status": "completed", "importer": "chatgpt"}, set()),
    ):
        assert set(titles(alices, everything, limit=100, **parameters)) == expected, parameters


def test_it_looks_in_the_kinds_of_content_that_are_asked_for(alices: Client, three: dict[str, Conversation]):
    def kinds(*wanted: str) -> set[str]:
        return {hit["content_type"] for hit in hits(alices, "lighthouse lens tower plan invoice", source_type=wanted)}

    for kind in ("imported_chat", "draft_chat", "project_draft", "attachment"):
        assert kinds(kind) == {kind}
    assert kinds("draft_chat", "attachment") == {"draft_chat", "attachment"}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"q": "a" * 1001},
        {"q": "a\x00b"},
        {"q": "a", "limit": 0},
        {"q": "a", "limit": 101},
        {"q": "a", "limit": "many"},
        {"q": "a", "offset": -1},
        {"q": "a", "status": "locked"},
        {"q": "a", "sort_by": "rank"},
        {"q": "a", "sort_dir": "down"},
        {"q": "a", "source_type": "conversation"},
        {"q": "a", "date_from": "yesterday"},
        {"q": "a", "has_files": "perhaps"},
    ],
)
def test_it_refuses_parameters_that_mean_nothing(alices: Client, parameters: dict[str, Any]):
    response = alices.get("/api/search", parameters)
    assert response.status_code == 422
    assert response.json()["code"] == "validation_error"


@pytest.mark.parametrize("typed", ["", " ", "\t\n", "\u3000"])
def test_a_blank_query_is_a_problem_that_holds_an_empty_list(alices: Client, typed: str):
    response = alices.get("/api/search", {"q": typed})
    body = response.json()
    assert (response.status_code, body["code"]) == (400, "blank_query")
    assert (body["results"], body["total_count"], body["has_more"]) == ([], 0, False)


HOSTILE = [
    "%", "_", "%%%", "100%", "a_b", "\\", "'", '"', "''; DROP TABLE conversations; --", "$$", "$1 %s %(q)s {0}", "&",
    "a & b | !c", "a:*", "<->", "(((", "!!!", "\\'\\", "the of and", "a", "é", "שלום עולם", "مرحبا", "日本語 テスト",
    "👩‍🚀🙂", "\u202eabc", "\ufeff", "x" * 1000, "🙂" * 1000, "a " * 500, '"a" ' * 250, "https://" + "a" * 900,
    "-" * 1000, "\x01\x1f a", "C++ foo.bar()", "68d1a7c2-4b5e-8001-9c3d-0123456789ab " * 27, "https://linear.app/%00 %",
    "\ud7ff\ue000\U0010ffff", "1/0", "NULL", "[1,2]",
]  # fmt: skip


def test_it_takes_whatever_is_typed_for_text(alices: Client, three: dict[str, Conversation]):
    for typed in HOSTILE:
        response = alices.get("/api/search", {"q": typed})
        assert response.status_code == 200, (typed[:50], response.content[:300])
        assert not response.json()["degraded"], typed[:50]


def test_signs_of_patterns_mean_themselves(alices: Client, alice: User):
    for title in ("100% cotton", "100 percent", "snake_case", "snakeXcase", "back\\slash"):
        made(alice, title, "x")
    index_all()
    assert titles(alices, "100% ")[0] == "100% cotton"
    assert [hit["content_snippet"] for hit in hits(alices, "snake_c") if hit["matched_by"] == ["title"]] == [
        "snake_case"
    ]
    assert titles(alices, "k\\s")[0] == "back\\slash"
