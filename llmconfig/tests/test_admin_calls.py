import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from config.tests.admin_pages import detail_page, list_page
from config.text import uuid7
from llmconfig import usage
from llmconfig.models import LLMCall, Task

Outcome = LLMCall.Outcome


def make(age: timedelta = timedelta(0), **fields: Any) -> LLMCall:
    values = {
        "task": Task.CHAT,
        "provider": "openai",
        "model_id": "gpt-4o",
        "outcome": Outcome.FINISHED,
        "input_tokens": 1_000,
        "cached_tokens": 100,
        "output_tokens": 50,
        "cost_usd": Decimal("0.0125"),
        "created_at": timezone.now() - age,
    }
    return LLMCall.objects.create(**values | fields)


def totals(client: Client, query: str = "") -> dict[str, str]:
    """The figures above the list."""
    shown = list_page(client, LLMCall, query)
    return dict(re.findall(r"<div><dt>([^<]+)</dt><dd>([^<]+)</dd></div>", shown))


def listed(client: Client, query: str = "") -> int:
    return list_page(client, LLMCall, query).count('class="field-task')


def heading(client: Client, query: str = "") -> str:
    (found,) = re.findall(r"<h2>(Totals [^<]+)</h2>", list_page(client, LLMCall, query))
    return str(found)


# ── Totals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_adds_up_what_is_listed(olivias: Client) -> None:
    make()
    make(cost_usd=Decimal("2000"), input_tokens=9, cached_tokens=0, output_tokens=1)
    make(outcome=Outcome.FAILED, cached_tokens=None, input_tokens=None, output_tokens=None, cost_usd=None)
    make(cost_usd=None)
    assert totals(olivias) == {
        "Calls": "4",
        "Failed": "1",
        "Tokens in": "2009, 200 of them cached",
        "Tokens out": "101",
        "Known cost": "$2000.0125",
        "Cost unknown": "of 1 call",
    }


def test_without_calls_it_shows_zeros(olivias: Client) -> None:
    assert totals(olivias)["Known cost"] == "$0.0000"
    assert totals(olivias)["Calls"] == "0"


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ({"cost_usd": Decimal(0)}, 0),
        ({"cost_usd": None}, 1),
        ({"cost_usd": None, "outcome": Outcome.STARTED, "input_tokens": None}, 0),
        ({"cost_usd": None, "outcome": Outcome.FAILED, "input_tokens": None}, 0),
        ({"cost_usd": None, "outcome": Outcome.FAILED}, 1),
        ({"cost_usd": None, "outcome": Outcome.STOPPED, "input_tokens": None}, 1),
        ({"cost_usd": None, "outcome": Outcome.LOST, "input_tokens": None}, 1),
    ],
)
def test_an_unknown_cost_is_counted_and_not_taken_for_nothing(db: None, fields: dict[str, Any], unknown: int) -> None:
    make(**fields)
    assert usage.totals(LLMCall.objects.all()).cost_unknown == unknown


def test_a_lost_call_is_a_failed_one(db: None) -> None:
    make(outcome=Outcome.LOST)
    make(outcome=Outcome.STOPPED)
    assert usage.totals(LLMCall.objects.all()).failed == 1


def test_it_adds_up_by_day_and_model_the_dearest_first(db: None) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=timezone.get_current_timezone())
    for at, model, cost in [(noon, "a", 1), (noon, "b", 2), (noon, "b", None), (noon - timedelta(days=1), "a", 4)]:
        make(created_at=at, model_id=model, cost_usd=cost)
    rows = usage.by_day_and_model(LLMCall.objects.all(), 10)
    assert [(row.day.day, row.model_id, row.calls, int(row.cost_usd), row.cost_unknown) for row in rows] == [
        (2, "b", 2, 2, 1),
        (2, "a", 1, 1, 0),
        (1, "a", 1, 4, 0),
    ]
    assert usage.by_day_and_model(LLMCall.objects.all(), 1) == rows[:1]


def test_it_shows_the_cost_of_each_day_and_model(olivias: Client) -> None:
    make()
    make(model_id="o3", cost_usd=None)
    shown = list_page(olivias, LLMCall)
    today = f"{timezone.now():%Y-%m-%d}"
    assert f"<td>{today}</td><td>openai/gpt-4o</td><td>1</td><td>$0.0125</td><td>0</td>" in shown
    assert f"<td>{today}</td><td>openai/o3</td><td>1</td><td>$0.0000</td><td>1</td>" in shown


# ── Filters ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "found", "period"),
    [
        ("", 2, "the last 7 days"),
        ("?days=1", 1, "the last 24 hours"),
        ("?days=30", 3, "the last 30 days"),
        ("?days=90", 4, "the last 90 days"),
        ("?days=9999", 2, "the last 7 days"),
        ("?days=x", 2, "the last 7 days"),
    ],
)
def test_it_holds_a_period_and_says_which(olivias: Client, query: str, found: int, period: str) -> None:
    for days in (0, 6, 29, 89, 91):
        make(timedelta(days=days))
    assert listed(olivias, query) == found
    assert totals(olivias, query)["Calls"] == str(found)
    assert heading(olivias, query) == f"Totals of {period}"


def test_every_period_can_be_chosen_and_none_is_not_among_them(olivias: Client) -> None:
    shown = list_page(olivias, LLMCall)
    assert re.findall(r'href="\?days=(\d+)"', shown) == ["1", "7", "30", "90"]
    assert re.findall(r'<li class="selected">\s*<a href="([^"]+)"', shown) == ["?days=7", "?", "?", "?"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?task__exact=project_draft_chat", 3),
        ("?task__exact=keywords", 1),
        ("?provider=demo", 1),
        ("?provider=openai", 3),
        ("?outcome__exact=failed", 2),
        ("?outcome__exact=failed&provider=demo", 1),
    ],
)
def test_it_filters_the_list_and_the_totals(olivias: Client, query: str, found: int) -> None:
    make()
    make(task=Task.KEYWORDS)
    make(outcome=Outcome.FAILED)
    make(provider="demo", outcome=Outcome.FAILED)
    assert listed(olivias, query) == found
    assert totals(olivias, query)["Calls"] == str(found)
    assert heading(olivias, query).endswith("as filtered")


@pytest.mark.parametrize("word", ["{run}", " {run} ", "{hex}", "12", "12 "])
def test_it_finds_calls_of_any_age_by_their_run_or_conversation(olivias: Client, word: str) -> None:
    run = uuid7()
    make(timedelta(days=400), run_id=run, conversation_id=12)
    make(run_id=uuid7(), conversation_id=13)
    query = f"?q={word.format(run=run, hex=run.hex)}"
    assert listed(olivias, query) == 1
    assert heading(olivias, query).startswith("Totals of all times")


@pytest.mark.parametrize("word", ["words", "-12", "9" * 40, "1.5", "²"])
def test_it_finds_nothing_by_anything_else(olivias: Client, word: str) -> None:
    make(conversation_id=12)
    assert listed(olivias, f"?q={word}") == 0


@pytest.mark.parametrize("word", ["", " ", "%00", "12%00"])
def test_it_keeps_to_the_period_when_nothing_is_searched_for(olivias: Client, word: str) -> None:
    make(conversation_id=12)
    make(timedelta(days=400), conversation_id=12)
    assert listed(olivias, f"?q={word}") == 1
    assert heading(olivias, f"?q={word}") == "Totals of the last 7 days"


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_shown_with_its_links(olivias: Client, alice: User) -> None:
    run = uuid7()
    call = make(run_id=run, conversation_id=12, user=alice, prompt_version=3, error_code="<b>", duration_ms=1_234)
    shown = detail_page(olivias, call)
    assert f'<a href="/admin/llmconfig/llmcall/?q={run}">' in shown
    assert '<a href="/admin/llmconfig/llmcall/?q=12">12</a>' in shown
    assert "&lt;b&gt;" in shown
    assert "$0.0125" in shown
    assert "alice@example.org" in list_page(olivias, LLMCall)


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"cost_usd": None}, "unknown"),
        ({"cost_usd": None, "outcome": Outcome.STARTED}, "-"),
        ({"cost_usd": Decimal(0)}, "$0.0000"),
        ({"cost_usd": Decimal("1234.5")}, "$1,234.5000"),
    ],
)
def test_a_cost_is_a_figure_or_unknown(olivias: Client, fields: dict[str, Any], cost: str) -> None:
    make(**fields)
    assert re.findall(r'class="field-cost[^"]*">([^<]+)<', list_page(olivias, LLMCall)) == [cost]


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({}, "Finished 1,000 · 100 · 50 $0.0125 - · -"),
        (
            {"is_estimated": True, "first_event_ms": 640, "duration_ms": 12_345},
            "about 1,000 · 100 · 50 $0.0125 0.6 · 12.3",
        ),
        ({"outcome": Outcome.FAILED, "error_code": "overloaded", "input_tokens": None}, "Failed: overloaded - $0.0125"),
        ({"outcome": Outcome.LOST, "input_tokens": 0, "cached_tokens": None}, "its process died 0 · 0 · 50 $0.0125"),
    ],
)
def test_a_row_tells_how_a_call_went(olivias: Client, fields: dict[str, Any], row: str) -> None:
    call = make(**fields)
    shown = " ".join(re.sub(r"<[^>]+>", " ", list_page(olivias, LLMCall)).split())
    assert f"{call.created_at:%Y-%m-%d %H:%M:%S} Draft chat openai/gpt-4o" in shown
    assert row in shown


def test_it_counts_nothing_for_each_choice_of_a_filter(olivias: Client) -> None:
    make(timedelta(days=400))
    with CaptureQueriesContext(connection) as queries:
        list_page(olivias, LLMCall, "?_facets=True")
    ours = [query["sql"] for query in queries if "llm_calls" in query["sql"]]
    assert all('"created_at" >= ' in sql for sql in ours)


def test_no_query_of_the_list_reads_calls_without_a_bound(olivias: Client) -> None:
    make(run_id=uuid7())
    with CaptureQueriesContext(connection) as queries:
        list_page(olivias, LLMCall)
    ours = [query["sql"] for query in queries if "llm_calls" in query["sql"]]
    assert len(ours) == 4  # the count of pages, the page, the totals, the days
    assert all('"created_at" >= ' in sql for sql in ours)
    assert sum(" LIMIT 10000" in sql for sql in ours) == 1


def test_the_latest_call_is_on_top_and_cost_can_be_sorted(olivias: Client) -> None:
    make(timedelta(hours=2), cost_usd=2)
    make(timedelta(hours=1), cost_usd=3)
    shown = list_page(olivias, LLMCall)
    assert re.findall(r"\$(\d)\.0000</td>\s*<td class=\"field-times", shown) == ["3", "2"]
    (by_cost,) = re.findall(r'class="sortable column-cost.*?<a href="([^"]+)"', shown, re.DOTALL)
    shown = list_page(olivias, LLMCall, by_cost)
    assert re.findall(r"\$(\d)\.0000</td>\s*<td class=\"field-times", shown) == ["2", "3"]
