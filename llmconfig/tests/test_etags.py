from typing import Any

import pytest
from django.test import Client

from config.tests.api_routes import check_refused
from llmconfig import prompts
from llmconfig.models import Prompt, Task

PATH = "/api/llm-prompts/project_draft_chat"
STALE = '"of-an-earlier-version"'


def save(client: Client, text: str = "Be brief.", **headers: str) -> Any:
    body = {"prompt_type": Task.CHAT, "system_prompt": text}
    return client.post(PATH, body, "application/json", headers=headers)


def revert(client: Client, **headers: str) -> Any:
    return client.delete(PATH, headers=headers)


def activate(client: Client, version: int = 1, **headers: str) -> Any:
    return client.post(f"{PATH}/versions/{version}/activate", headers=headers)


def back_to_zero(client: Client, **headers: str) -> Any:
    return activate(client, 0, **headers)


def etag(client: Client) -> str:
    return str(client.get(PATH)["ETag"])


each_write = pytest.mark.parametrize("write", [save, revert, activate, back_to_zero])


@pytest.fixture
def two_versions(db: None) -> None:
    for text in ("One.", "Two."):
        prompts.save_prompt(prompt_type=Task.CHAT, system_prompt=text, user=None)


def test_it_sends_what_one_has_already_without_a_body(alices: Client, olivias: Client) -> None:
    first = alices.get(PATH)
    again = alices.get(PATH, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    save(olivias)
    assert alices.get(PATH, headers={"If-None-Match": first["ETag"]}).json()["system_prompt"] == "Be brief."


def test_the_tag_is_that_of_what_is_in_production(olivias: Client, two_versions: None) -> None:
    tags = [etag(olivias)]
    for write in (save, revert, activate):
        answer = write(olivias)
        assert answer["ETag"] == etag(olivias)
        tags.append(answer["ETag"])
    assert len(set(tags)) == 4
    assert back_to_zero(olivias)["ETag"] == tags[2]
    prompts.save_prompt(prompt_type=Task.CHAT, system_prompt="For later.", user=None, is_active=False)
    assert etag(olivias) == tags[2]


@each_write
def test_it_changes_nothing_that_was_changed_meanwhile_and_shows_it(
    olivias: Client, two_versions: None, write: Any
) -> None:
    seen = etag(olivias)
    save(olivias, "Meanwhile.")
    answer = write(olivias, **{"If-Match": seen})
    document = check_refused(answer, 412)
    assert document["code"] == "precondition_failed"
    assert document["current"] == {"system_prompt": "Meanwhile.", "is_default": False, "version": 3}
    assert document["etag"] == answer["ETag"] == etag(olivias)
    assert Prompt.objects.count() == 3
    assert write(olivias, **{"If-Match": answer["ETag"]}).status_code == 200


@each_write
@pytest.mark.parametrize("header", [{"If-Match": "*"}, {}])
def test_it_writes_for_whoever_does_not_ask(
    olivias: Client, two_versions: None, write: Any, header: dict[str, str]
) -> None:
    assert write(olivias, **header).status_code == 200


@each_write
def test_a_person_who_may_not_is_told_that_and_no_more(alices: Client, two_versions: None, write: Any) -> None:
    document = check_refused(write(alices, **{"If-Match": STALE}), 403)
    assert "current" not in document


def test_what_is_missing_comes_before_a_stale_tag(olivias: Client, two_versions: None) -> None:
    check_refused(activate(olivias, 9, **{"If-Match": STALE}), 404)


@each_write
def test_it_refuses_a_header_that_is_no_list_of_tags(olivias: Client, two_versions: None, write: Any) -> None:
    assert check_refused(write(olivias, **{"If-Match": "x"}), 400)["code"] == "invalid_etag"
    assert prompts.active_prompt(prompt_type=Task.CHAT).version == 2
