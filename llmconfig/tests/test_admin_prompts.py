import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from config.tests.admin_pages import address, detail_page, list_page, page
from llmconfig import prompts
from llmconfig.models import PROMPTED, Prompt, Task

CHAT, GENERATION = Task.CHAT, Task.GENERATION
TEN_LINES = "\n".join(f"line {number}" for number in range(1, 11))


def save(text: str, **fields: Any) -> Prompt:
    return prompts.save_prompt(**{"prompt_type": CHAT, "system_prompt": text, "user": None} | fields)


def add(client: Client, **changes: Any) -> Any:
    form = {"prompt_type": CHAT, "system_prompt": "Be kind.", "note": "kinder", "is_active": "on"} | changes
    return client.post(address("add", Prompt), {name: value for name, value in form.items() if value}, follow=True)


def version_page(client: Client, version: int, query: str = "", task: str = CHAT) -> str:
    return page(client, address("version", Prompt, task, version) + query)


def words_of(shown: str) -> str:
    """What a person reads of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", shown).split())


# ── A new version ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", PROMPTED)
def test_the_form_of_a_new_version_starts_with_the_text_in_production(olivias: Client, task: Task) -> None:
    save("Our own <chat> prompt.")
    shown = page(olivias, f"{address('add', Prompt)}?prompt_type={task}")
    assert f"New version: {task.label}" in shown
    assert ("Our own &lt;chat&gt; prompt." in shown) == (task is CHAT)
    assert ("{{context}}" in shown) == (task is GENERATION)


def test_the_form_starts_with_the_version_that_is_asked_for(olivias: Client) -> None:
    save("The first.")
    save("The second.")
    url = f"{address('add', Prompt)}?prompt_type={CHAT}"
    assert "The first." in page(olivias, f"{url}&version=1")
    assert "{{current_project_draft}}" in page(olivias, f"{url}&version=0")
    assert "The second." in page(olivias, f"{url}&version=-1")
    assert olivias.get(f"{url}&version=9").status_code == 404


@pytest.mark.parametrize("query", ["", "?prompt_type=nonsense", "?prompt_type=embedding"])
def test_the_form_opens_for_some_task_when_none_is_named(olivias: Client, query: str) -> None:
    assert "{{context}}" in page(olivias, address("add", Prompt) + query)


def test_adding_a_version_puts_it_into_production(olivias: Client, olivia: User) -> None:
    first = save("First.")
    shown = add(olivias).content.decode()
    assert "Draft chat: version 2 is in production." in shown
    assert prompts.active_prompt(prompt_type=CHAT) == prompts.ActivePrompt("Be kind.", 2)
    added = Prompt.objects.get(version=2)
    assert (added.note, added.created_by_user) == ("kinder", olivia)
    first.refresh_from_db()
    assert not first.is_active
    assert LogEntry.objects.get().object_id == str(added.pk)
    event = AuditEvent.objects.filter(action="prompt.saved").latest("pk")
    assert (event.user, event.before, event.after) == (olivia, {"version": 1}, {"version": 2})


def test_a_version_can_be_stored_without_being_used(olivias: Client) -> None:
    save("First.")
    assert "version 2 is stored, and not in production." in add(olivias, is_active="").content.decode()
    assert prompts.active_prompt(prompt_type=CHAT).version == 1
    assert Prompt.objects.get(version=2).system_prompt == "Be kind."


@pytest.mark.parametrize(
    "changes",
    [
        {"system_prompt": ""},
        {"system_prompt": "x" * 100_001},
        {"prompt_type": "nonsense"},
        {"prompt_type": "embedding"},
        {"note": "n" * 201},
    ],
)
def test_it_refuses_a_prompt_that_is_empty_too_long_or_for_no_task(olivias: Client, changes: dict[str, str]) -> None:
    assert "errorlist" in add(olivias, **changes).content.decode()
    assert not Prompt.objects.exists()


def test_it_stores_lines_as_they_were_shown(olivias: Client) -> None:
    add(olivias, system_prompt="One.\r\n\r\nTwo.\r\n")
    assert Prompt.objects.get().system_prompt == "One.\n\nTwo."


def test_it_tells_which_placeholders_are_unknown_or_unused(olivias: Client) -> None:
    text = "{{current_project_draft}} {{original_conversation_summary}} {{memory_context}}"
    shown = add(olivias, system_prompt=text).content.decode()
    assert '<li class="warning">Nothing is put in place of {{memory_context}}.' in shown
    assert '<li class="warning">This text does without {{memories_context}}.' in shown
    shown = add(olivias, system_prompt=text.replace("memory", "memories")).content.decode()
    assert "Nothing is put" not in shown
    assert "does without" not in shown


def test_a_preview_tells_tokens_warnings_and_differences_and_saves_nothing(olivias: Client) -> None:
    save("Be <kind>.\nBe short.")
    shown = add(olivias, system_prompt="Be <kind>.\nBe long. {{nonsense}}", _preview="1").content.decode()
    assert Prompt.objects.count() == 1
    words = words_of(shown)
    assert "Preview: nothing is saved yet" in words
    assert "about 8 tokens" in words
    assert "Nothing is put in place of {{nonsense}}." in words
    assert "different from version 1, which is in production" in words
    assert "<del>Be short.</del>" in shown
    assert "<ins>Be long. {{nonsense}}</ins>" in shown
    assert "<td>Be &lt;kind&gt;.</td>" in shown
    assert 'name="note" value="kinder"' in shown


# ── One version ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_version_is_shown_with_who_wrote_it_why_and_what_it_lacks(olivias: Client, alice: User) -> None:
    prompt = save("Be <kind>. {{current_project_draft}}", user=alice, note="for <members>")
    shown = detail_page(olivias, prompt)
    assert "Be &lt;kind&gt;." in shown
    words = words_of(shown)
    assert "Draft chat: version 1" in words
    assert "Written by alice@example.org" in words
    assert "for &lt;members&gt;" in words
    assert "Filled in {{current_project_draft}}" in words
    assert "This text does without {{memories_context}}." in words
    assert "about 9 tokens" in words


def test_a_version_cannot_be_changed_or_deleted(olivias: Client) -> None:
    prompt = save("Text.")
    shown = detail_page(olivias, prompt)
    assert "<textarea" not in shown
    assert 'name="_save"' not in shown
    url = address("change", Prompt, prompt.pk)
    assert olivias.post(url, {"system_prompt": "Other.", "prompt_type": CHAT}).status_code == 403
    assert olivias.post(address("delete", Prompt, prompt.pk), {"post": "yes"}).status_code == 403
    prompt.refresh_from_db()
    assert prompt.system_prompt == "Text."


@pytest.mark.parametrize(
    ("task", "version"), [("embedding", 0), ("nonsense", 0), (CHAT, 1), (CHAT, 99_999_999_999), (GENERATION, 7)]
)
@pytest.mark.parametrize("kind", ["version", "activate"])
def test_there_is_no_page_of_a_version_that_is_not_there(olivias: Client, kind: str, task: str, version: int) -> None:
    url = address(kind, Prompt, task, version)
    assert olivias.get(url).status_code == 404
    assert olivias.post(url).status_code == 404


def test_there_is_no_page_of_a_row_that_is_not_there(olivias: Client) -> None:
    assert olivias.get(address("change", Prompt, 99)).status_code == 404


def test_a_version_is_compared_with_the_one_in_production(olivias: Client) -> None:
    save(TEN_LINES)
    save(TEN_LINES.replace("line 9", "line nine"))
    shown = version_page(olivias, 1)
    assert "<ins>line 9</ins>" in shown
    assert "<del>line nine</del>" in shown
    assert '<option value="2" selected>' in shown
    assert "<td>9</td><td></td><td>−</td><td><del>line nine</del>" in shown
    assert "<td></td><td>9</td><td>+</td><td><ins>line 9</ins>" in shown


def test_the_version_in_production_is_compared_with_the_one_before(olivias: Client) -> None:
    save(TEN_LINES)
    save(f"{TEN_LINES}\nline 11")
    shown = version_page(olivias, 2)
    assert '<option value="1" selected>' in shown
    assert "<ins>line 11</ins>" in shown
    assert "<del>" not in shown


@pytest.mark.parametrize(("asked", "compared"), [("1", 1), ("0", 0), ("3", 2), ("x", 2), ("-1", 2)])
def test_a_version_is_compared_with_any_other(olivias: Client, asked: str, compared: int) -> None:
    save("First.")
    save("Second.")
    save("Third.", is_active=False)
    shown = version_page(olivias, 3, f"?compare={asked}")
    assert f'<option value="{compared}" selected>' in shown
    assert shown.count(" selected>") == 1
    assert "<ins>Third.</ins>" in shown


def test_lines_far_from_a_difference_are_folded(olivias: Client) -> None:
    save(TEN_LINES)
    save(TEN_LINES.replace("line 8", "line eight"))
    shown = version_page(olivias, 2)
    folded, near = shown.split("</details>")[0].split("<summary>")[1], shown.split("</details>")[1]
    assert folded.startswith("4 equal lines")
    assert "line 4<" in folded
    assert "line 5<" in near


def test_the_built_in_text_has_a_page_too(olivias: Client) -> None:
    shown = version_page(olivias, 0)
    assert "{{current_project_draft}}" in shown
    assert "it ships with the program" in shown
    assert "In production" in shown
    assert "Make production" not in shown
    assert "What is different" not in shown


@pytest.mark.parametrize(
    ("version", "offered"),
    [(0, {"Revert to the built-in text…"}), (1, {"Make production…", "Revert to the built-in text…"}),
     (2, {"Revert to the built-in text…"})],
)  # fmt: skip
def test_a_page_offers_what_can_be_done_with_a_version(olivias: Client, version: int, offered: set[str]) -> None:
    save("First.")
    save("Second.")
    shown = words_of(version_page(olivias, version))
    assert {name for name in ("Make production…", "Revert to the built-in text…") if name in shown} == offered
    assert "New version from this text" in shown


def test_the_number_of_queries_of_a_version_does_not_grow_with_the_history(olivias: Client) -> None:
    counts = []
    for rounds in (2, 20):
        for _ in range(rounds):
            save("Again.")
        with CaptureQueriesContext(connection) as queries:
            version_page(olivias, 1, "?compare=2")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10


# ── Production ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_earlier_version_comes_back_into_production_after_a_question(olivias: Client, olivia: User) -> None:
    save("First.")
    second = save("Second.")
    url = address("activate", Prompt, CHAT, 1)
    asked = page(olivias, url)
    assert "Make version 1 of “Draft chat” production?" in asked
    assert "It takes the place of version 2" in asked
    assert "<del>Second.</del>" in asked
    assert prompts.active_prompt(prompt_type=CHAT).version == 2

    done: Any = olivias.post(url, follow=True)
    assert "Draft chat: version 1 is in production." in done.content.decode()
    assert prompts.active_prompt(prompt_type=CHAT) == prompts.ActivePrompt("First.", 1)
    second.refresh_from_db()
    assert not second.is_active
    assert LogEntry.objects.get().change_message == "Made production."
    event = AuditEvent.objects.get(action="prompt.activated")
    assert (event.user, event.before, event.after) == (olivia, {"version": 2}, {"version": 1})


def test_it_goes_back_to_the_built_in_text_of_that_task_only(olivias: Client, olivia: User) -> None:
    save("Chat.")
    save("Generate.", prompt_type=GENERATION)
    url = address("activate", Prompt, CHAT, 0)
    assert "It takes the place of version 1" in page(olivias, url)
    done: Any = olivias.post(url, follow=True)
    assert "the built-in text is in production." in done.content.decode()
    assert prompts.active_prompt(prompt_type=CHAT) == (prompts.built_in_prompt(CHAT), 0)
    assert prompts.active_prompt(prompt_type=GENERATION).version == 1
    assert AuditEvent.objects.get(action="prompt.reverted").user == olivia


def test_it_asks_nothing_about_what_is_in_production_already(olivias: Client) -> None:
    save("First.")
    shown = page(olivias, address("activate", Prompt, CHAT, 1))
    assert "It is in production already." in shown
    assert "Yes, make it production" not in shown


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_tells_what_each_task_uses(olivias: Client) -> None:
    save("Chat.")
    shown = words_of(list_page(olivias, Prompt))
    assert "Draft chat Version 1 New version History Built-in text" in shown
    assert "Draft generation The built-in text New version History Image" not in shown
    assert shown.count("The built-in text New version History") == len(PROMPTED) - 1
    assert "Embedding" not in shown.partition("What is in production")[2].partition("Search")[0]


def test_the_list_leads_to_the_pages_of_each_task(olivias: Client) -> None:
    shown = list_page(olivias, Prompt)
    for task in PROMPTED:
        assert f'href="{address("add", Prompt)}?prompt_type={task}"' in shown
        assert f'href="?prompt_type__exact={task}"' in shown
        assert f'href="{address("version", Prompt, task, 0)}"' in shown


def test_a_history_holds_one_task_the_newest_first(olivias: Client) -> None:
    save("One.", note="note-1")
    save("Two.", note="note-2")
    save("Other.", prompt_type=GENERATION, note="note-3")
    shown = list_page(olivias, Prompt, f"?prompt_type__exact={CHAT}")
    assert re.findall(r"note-\d", shown) == ["note-2", "note-1"]
