import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from accounts.models import User
from config.exceptions import NotFound
from config.tests.api_routes import check_refused
from llmconfig import prompts
from llmconfig.models import PROMPTED, Prompt, Task

CHAT, GENERATION = Task.CHAT, Task.GENERATION
PATH = "/api/llm-prompts/project_draft_chat"


@pytest.fixture
def for_all_to_see(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database in which other threads see what the test writes; its prompts go again."""
    with django_db_blocker.unblock():
        yield
        Prompt.objects.all().delete()
        connection.close()


def save(text: str, prompt_type: str = CHAT, **options: Any) -> Prompt:
    return prompts.save_prompt(prompt_type=prompt_type, system_prompt=text, user=None, **options)


# ── The built-in texts ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", PROMPTED)
def test_every_task_but_embedding_has_a_built_in_prompt(task: str) -> None:
    assert len(prompts.built_in_prompt(task)) > 200
    assert prompts.has_prompt(task)
    assert not prompts.has_prompt("embedding")


def test_the_built_in_prompt_of_a_chat_has_its_placeholders_and_its_tool() -> None:
    text = prompts.built_in_prompt(CHAT)
    expected = {"current_project_draft", "original_conversation_summary", "memories_context"}
    assert prompts.placeholders(text) == expected
    assert "`update_project_draft`" in text
    assert "`edit_project_draft`" in text


def test_the_built_in_prompt_of_a_generation_has_its_placeholder_and_its_elements() -> None:
    text = prompts.built_in_prompt(GENERATION)
    assert prompts.placeholders(text) == {"context"}
    for tag in ("<title>", "</title>", "<description>", "</description>"):
        assert text.count(tag) == 1


def test_there_is_no_built_in_prompt_for_an_unknown_task() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        prompts.built_in_prompt("nonsense")


def test_it_fills_every_placeholder_it_knows() -> None:
    assert prompts.fill("{{a}} and {{b}}, {{a}}; {{c}} {a}", {"a": "1", "b": "2"}) == "1 and 2, 1; {{c}} {a}"


def test_inserted_text_brings_in_no_other_placeholder() -> None:
    assert prompts.fill("{{a}}{{b}}", {"a": "{{b}}", "b": "{{a}}"}) == "{{b}}{{a}}"


def test_inserted_text_is_taken_as_it_is() -> None:
    assert prompts.fill("{{a}}", {"a": r"\1 \g<0> $1 {{"}) == r"\1 \g<0> $1 {{"


def test_without_a_version_the_built_in_text_is_in_use(db: None) -> None:
    assert prompts.active_prompt(prompt_type=CHAT) == (prompts.built_in_prompt(CHAT), 0)


def test_versions_are_numbered_by_task(alice: User) -> None:
    assert [save("one").version, save("two").version] == [1, 2]
    assert save("generate", GENERATION).version == 1
    third = prompts.save_prompt(prompt_type=CHAT, system_prompt="three", user=alice, note="why")
    assert (third.version, third.note, third.created_by_user) == (3, "why", alice)
    assert prompts.active_prompt(prompt_type=CHAT) == ("three", 3)
    assert Prompt.objects.filter(is_active=True).count() == 2


def test_an_earlier_version_is_used_again_and_the_next_number_stays_the_next(db: None) -> None:
    first, _ = save("one"), save("two")
    prompts.activate_prompt(prompt=first)
    assert prompts.active_prompt(prompt_type=CHAT) == ("one", 1)
    assert save("three").version == 3


def test_it_goes_back_to_the_built_in_text_and_keeps_the_versions(db: None) -> None:
    save("one")
    save("generate", GENERATION)
    prompts.revert_prompt(prompt_type=CHAT)
    assert prompts.active_prompt(prompt_type=CHAT).version == 0
    assert prompts.active_prompt(prompt_type=GENERATION) == ("generate", 1)
    assert save("two").version == 2


@pytest.mark.parametrize("before", [0, 1])
def test_versions_saved_at_once_get_different_numbers(for_all_to_see: None, before: int) -> None:
    for _ in range(before):
        save("before")
    start, failures = threading.Barrier(4), []

    def save_with_others() -> None:
        start.wait(5)
        try:
            save("at once")
        except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=save_with_others) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert failures == []
    assert sorted(Prompt.objects.values_list("version", flat=True)) == list(range(1, before + 5))
    assert prompts.active_prompt(prompt_type=CHAT).version == before + 4


def test_a_version_can_be_saved_for_later(db: None) -> None:
    save("in production")
    later = save("for later", is_active=False)
    assert (later.version, later.is_active) == (2, False)
    assert prompts.active_prompt(prompt_type=CHAT) == ("in production", 1)


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("{{current_project_draft}} {{original_conversation_summary}} {{memories_context}}", []),
        ("{{current_project_draft}} {{memories_context}}", [("missing_placeholder", "original_conversation_summary")]),
        (
            "{{current_project_draft}} {{original_conversation_summary}} {{memories_context}} {{memory}}",
            [("unknown_placeholder", "memory")],
        ),
    ],
)
def test_it_warns_of_placeholders_that_are_unknown_or_missing(text: str, warned: list[tuple[str, str]]) -> None:
    assert prompts.placeholder_warnings(prompt_type=CHAT, text=text) == warned


def test_it_compares_two_versions_line_by_line(db: None) -> None:
    save("Be kind.\n\nBe short.\nAsk.")
    save("Be kind.\nBe brief.\n\nAsk.\nEnd.")
    lines = prompts.compare(prompt_type=CHAT, older=1, newer=2)
    assert [tuple(line) for line in lines] == [
        ("equal", 1, 1, "Be kind."),
        ("added", None, 2, "Be brief."),
        ("equal", 2, 3, ""),
        ("removed", 3, None, "Be short."),
        ("equal", 4, 4, "Ask."),
        ("added", None, 5, "End."),
    ]
    assert {line.kind for line in prompts.compare(prompt_type=CHAT, older=2, newer=2)} == {"equal"}
    assert prompts.compare(prompt_type=CHAT, older=0, newer=1)[0].kind == "removed"
    with pytest.raises(NotFound):
        prompts.compare(prompt_type=CHAT, older=0, newer=3)


@pytest.mark.parametrize(("older", "newer"), [("", "a"), ("a", ""), ("a\nb", "b\na"), ("a\n\n\nb", "\n\nb\nc")])
def test_a_comparison_holds_every_line_of_both_texts_once(older: str, newer: str) -> None:
    lines = prompts.compare_texts(older, newer)
    for text, added in ((older, "added"), (newer, "removed")):
        assert [line.text for line in lines if line.kind != added] == text.splitlines()
    assert [line.old_number for line in lines if line.old_number] == list(range(1, len(older.splitlines()) + 1))
    assert [line.new_number for line in lines if line.new_number] == list(range(1, len(newer.splitlines()) + 1))


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_shows_the_prompt_in_production_and_the_built_in_one(alices: Client) -> None:
    built_in = {"system_prompt": prompts.built_in_prompt(CHAT), "is_default": True, "version": 0}
    assert alices.get(PATH).json() == built_in
    save("Be brief.")
    assert alices.get(PATH).json() == {"system_prompt": "Be brief.", "is_default": False, "version": 1}
    assert alices.get(f"{PATH}/default").json() == built_in


@pytest.mark.parametrize("path", ["/api/llm-prompts/imported_chat_summary", "/api/llm-prompts/nothing/default"])
def test_an_unknown_task_has_an_empty_prompt(alices: Client, path: str) -> None:
    assert alices.get(path).json() == {"system_prompt": "", "is_default": True, "version": 0}


def test_it_asks_for_the_name_of_a_task(alices: Client) -> None:
    assert check_refused(alices.get("/api/llm-prompts/%20"), 400)["error"] == "Empty prompt type"


def test_an_operator_puts_a_new_version_into_production(olivias: Client, olivia: User) -> None:
    answer = olivias.post(
        PATH, {"prompt_type": CHAT, "system_prompt": "Only {{memory}}.", "note": "A try"}, "application/json"
    )
    body = answer.json()
    assert answer.status_code == 200
    assert (body["system_prompt"], body["is_default"], body["version"]) == ("Only {{memory}}.", False, 1)
    assert [warning["name"] for warning in body["warnings"]] == [
        "memory", "current_project_draft", "memories_context", "original_conversation_summary",
    ]  # fmt: skip
    assert body["warnings"][0]["detail"] == "Nothing is put in place of {{memory}}."
    row = Prompt.objects.get()
    assert (row.note, row.created_by_user, row.is_active) == ("A try", olivia, True)


def test_an_operator_goes_back_to_the_built_in_prompt_as_often_as_they_like(olivias: Client) -> None:
    save("Be brief.")
    for _ in range(2):
        assert olivias.delete(PATH).json() == {"message": "The built-in prompt is in production."}
    assert prompts.active_prompt(prompt_type=CHAT).version == 0


def test_a_body_for_another_task_changes_nothing(olivias: Client) -> None:
    body = {"prompt_type": GENERATION, "system_prompt": "Text"}
    document = check_refused(olivias.post(PATH, body, "application/json"), 400)
    assert (document["code"], document["error"]) == ("mismatched_prompt_type", "Mismatched prompt type")
    assert not Prompt.objects.exists()


def test_embedding_takes_no_prompt(olivias: Client) -> None:
    body = {"prompt_type": "embedding", "system_prompt": "Text"}
    answer = olivias.post("/api/llm-prompts/embedding", body, "application/json")
    assert check_refused(answer, 400)["code"] == "invalid_prompt_type"


def test_it_lists_the_versions_and_their_authors(olivias: Client, olivia: User) -> None:
    save("one", note="The first")
    prompts.save_prompt(prompt_type=CHAT, system_prompt="two", user=olivia)
    second, first = olivias.get(f"{PATH}/versions").json()["versions"]
    assert (second["version"], second["is_active"], second["created_by_user_name"]) == (2, True, olivia.name)
    assert (first["version"], first["is_active"], first["note"], first["created_by_user_name"]) == (
        1, False, "The first", None,
    )  # fmt: skip


def test_an_operator_puts_any_version_into_production(olivias: Client) -> None:
    save("one")
    save("two")
    assert olivias.post(f"{PATH}/versions/1/activate").json()["system_prompt"] == "one"
    assert prompts.active_prompt(prompt_type=CHAT).version == 1
    assert olivias.post(f"{PATH}/versions/0/activate").json()["is_default"] is True
    assert prompts.active_prompt(prompt_type=CHAT).version == 0
    check_refused(olivias.post(f"{PATH}/versions/3/activate"), 404)


def test_a_member_may_change_prompts_once_an_operator_lets_them(alice: User, alices: Client) -> None:
    body = {"prompt_type": CHAT, "system_prompt": "Be brief."}
    check_refused(alices.post(PATH, body, "application/json"), 403)
    assert not Prompt.objects.exists()
    alice.user_permissions.set(Permission.objects.filter(codename__in=["add_prompt", "change_prompt"]))
    assert alices.post(PATH, body, "application/json").status_code == 200
    assert alices.delete(PATH).status_code == 200
