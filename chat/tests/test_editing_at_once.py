"""Two people over HTTP and a model by its tool edit one draft at once, some of them with an old version in mind."""

import os
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from accounts.models import User
from chat.tool import ToolResult
from chat.tools import execute_tool
from config.tests.making import make_conversation, make_draft, make_run
from config.tests.stack import Stack
from conftest import make_user
from conversations.models import Run
from drafts.models import DraftVersion, ProjectDraft
from drafts.services import Author

EDITS = int(os.environ.get("EDITS", "150"))  # `EDITS=1000` for the full measure
MODEL = Author("openai/gpt-4o", 0)


class Seen(NamedTuple):
    etag: str
    number: int


class Accepted(NamedTuple):
    """`number` is the version that the writer was told; `over` the one it was meant to follow, None for any."""

    number: int
    text: tuple[str, str]
    writer: str
    over: int | None
    is_edit: bool


class Person:
    """Sends half of the writes with If-Match: what was seen just now, or at any time before."""

    def __init__(self, stack: Stack, name: str, draft: ProjectDraft) -> None:
        self.name, self.dice = name, random.Random(name)
        self.http = stack.client(f"{name}@example.org").http
        self.path = f"/api/conversations/{draft.conversation_id}/project-draft"
        self.seen: list[Seen] = []
        self.accepted: list[Accepted] = []
        self.refused: list[tuple[Seen, dict[str, Any]]] = []

    def work(self) -> None:
        for number in range(EDITS // 3 + 1):
            look = self.http.get(self.path)
            self.seen.append(Seen(look.headers["etag"], version_of(look)["version_number"]))
            seen = self.dice.choice([self.seen[-1], self.dice.choice(self.seen), None, None])
            self.write(number, seen, is_edit=self.dice.random() < 0.8)

    def write(self, number: int, seen: Seen | None, *, is_edit: bool) -> None:
        headers = {"If-Match": seen.etag} if seen else {}
        if is_edit:
            sent = {"title": f"{number} by {self.name}", "description": f"Edit {number} of {self.name}."}
            answer = self.http.patch(self.path, json=sent, headers=headers)
        else:
            sent = self.dice.choice(self.http.get(f"{self.path}/versions").json()["versions"])
            answer = self.http.post(f"{self.path}/versions/{sent['version_id']}/activate", headers=headers)
        if answer.status_code == 412 and seen:
            assert answer.headers["etag"] == answer.json()["etag"]
            self.refused.append((seen, answer.json()["current"]["project_draft"]["active_version"]))
            return
        assert answer.status_code == 200, answer.content
        told, over = version_of(answer)["version_number"], seen.number if seen else None
        self.accepted.append(Accepted(told, (sent["title"], sent["description"]), self.name, over, is_edit))


def version_of(answer: Any) -> dict[str, Any]:
    version: dict[str, Any] = answer.json()["project_draft"]["active_version"]
    return version


class Model:
    """Runs that call the tool with the draft in view as it is or as it was, and now and then twice with one key."""

    def __init__(self, draft: ProjectDraft, user: User) -> None:
        self.draft, self.user, self.dice = draft, user, random.Random("model")
        self.succeeded: list[tuple[DraftVersion, int]] = []
        self.rejected: list[tuple[int, ToolResult]] = []

    def work(self) -> None:
        try:
            for number in range(EDITS // 3 + 1):
                self.turn(number)
        finally:
            connection.close()

    def turn(self, number: int) -> None:
        lease = timezone.now() + timedelta(hours=1)
        run = make_run(self.user, self.draft.conversation, state=Run.State.RUNNING, fence=1, lease_until=lease)
        versions = list(self.draft.versions.order_by("version_number").values_list("pk", flat=True))
        base = self.dice.choice([versions[-1], versions[-1], self.dice.choice(versions)])
        for call in range(self.dice.choice([1, 1, 2])):
            base = self.call(run, f"{call}.0", {"title": f"{number}.{call} by a model", "description": "Said."}, base)
        Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)

    def call(self, run: Run, key: str, arguments: dict[str, Any], base: int) -> int:
        """What the model has seen afterwards."""
        call = (run, self.draft, "update_project_draft", arguments, key)
        result = execute_tool(*call, base, MODEL)
        assert result is not None
        if result.status == "rejected":
            assert result.base_version_id
            self.rejected.append((base, result))
            return result.base_version_id
        assert result.status == "succeeded"
        self.succeeded.append((DraftVersion.objects.get(run=run, tool_call=key), base))
        if self.dice.random() < 0.2:  # its runner died before it could say so
            again = execute_tool(*call, base, MODEL)
            assert again is not None and again.status == "succeeded"
        return base


def test_every_accepted_edit_is_a_version_and_every_refused_one_is_told_why(stack: Stack) -> None:
    user = make_user("model@example.org")
    draft = make_draft(make_conversation(user))
    model, people = Model(draft, user), [Person(stack, name, draft) for name in ("alice", "bob")]
    with ThreadPoolExecutor(3) as pool:
        for working in [pool.submit(work) for work in (model.work, *(person.work for person in people))]:
            working.result(300)
    versions = list(DraftVersion.objects.select_related("created_by_user").order_by("version_number"))
    assert [version.version_number for version in versions] == list(range(1, len(versions) + 1))
    draft.refresh_from_db()
    assert draft.active_version == versions[-1]
    check_people(people, versions)
    check_model(model, versions)
    made = {write.number for person in people for write in person.accepted}
    made |= {version.version_number for version, _ in model.succeeded}
    assert made == set(range(2, len(versions) + 1)) | (made & {1})  # each is there because somebody was told so


def check_people(people: list[Person], versions: list[DraftVersion]) -> None:
    told = defaultdict(list)
    for write in (write for person in people for write in person.accepted):
        version = versions[write.number - 1]
        told[write.number].append(write.writer)
        assert (version.title, version.description) == write.text
        if write.is_edit:
            assert (version.created_by_user.name, version.is_manual_edit, version.run_id) == (write.writer, True, None)
        if write.over is not None:  # nothing that the writer had not seen came between
            assert write.over in ({write.number - 1} if write.is_edit else {write.number - 1, write.number})
    for number, writers in told.items():  # a version that is brought back while it is there makes no other
        assert versions[number - 1].created_by_user.name in {*writers, "model"}
    edits = [write.number for person in people for write in person.accepted if write.is_edit]
    assert len(edits) == len(set(edits)) > EDITS // 4
    for seen, current in (refusal for person in people for refusal in person.refused):
        version = versions[current["version_number"] - 1]
        assert (version.pk, version.title) == (current["version_id"], current["title"])
        assert version.version_number > seen.number
    assert all(len(person.refused) > EDITS // 50 for person in people)


def check_model(model: Model, versions: list[DraftVersion]) -> None:
    by_id = {version.pk: version for version in versions}
    for version, base in model.succeeded:
        before = versions[version.version_number - 2]
        assert before.pk == base or before.run_id == version.run_id
        assert (version.created_by_user.name, version.model, version.is_manual_edit) == ("model", MODEL.model, False)
    for base, result in model.rejected:
        current = by_id[result.base_version_id or 0]
        assert current.version_number > by_id[base].version_number
        assert f"<title>{current.title}</title>\n<description>{current.description}</description>" in result.text
    assert len(model.succeeded) > EDITS // 10
    assert len(model.rejected) > EDITS // 50
