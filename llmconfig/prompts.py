"""What a task's model is told: numbered versions, of which at most one is in production; version 0 is built in."""

import functools
import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, QuerySet

from accounts import audit
from accounts.models import User
from config.exceptions import NotFound
from config.preconditions import Precondition, no_precondition
from llmconfig.models import PROMPTED, Prompt, Task

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class ActivePrompt(NamedTuple):
    """A task's system prompt before its placeholders are filled; `version` 0 is the built-in text."""

    text: str
    version: int


class PlaceholderWarning(NamedTuple):
    """`code` is `unknown_placeholder`, in whose place nothing is put, or `missing_placeholder`, whose text is lost."""

    code: str
    name: str

    @property
    def sentence(self) -> str:
        if self.code == "unknown_placeholder":
            return f"Nothing is put in place of {{{{{self.name}}}}}."
        return f"This text does without {{{{{self.name}}}}}."


class Line(NamedTuple):
    """A line of one or both of two texts. `kind` is `equal`, `added` or `removed`; in each text numbers start at 1."""

    kind: str
    old_number: int | None
    new_number: int | None
    text: str


def active_prompt(*, prompt_type: str) -> ActivePrompt:
    row = Prompt.objects.filter(prompt_type=prompt_type, is_active=True).values_list("system_prompt", "version").first()
    return ActivePrompt(*row) if row else ActivePrompt(built_in_prompt(prompt_type), 0)


@functools.cache
def built_in_prompt(prompt_type: str) -> str:
    """The text that ships with Draftloom. `prompt_type` is a `Task` that has a prompt."""
    return (settings.PROMPTS_DIR / f"{Task(prompt_type).value}.md").read_text("utf-8").strip()


def in_production() -> dict[str, int]:
    """The version that each task uses."""
    stored = dict(Prompt.objects.filter(is_active=True).values_list("prompt_type", "version"))
    return {task.value: stored.get(task, 0) for task in PROMPTED}


def has_prompt(prompt_type: str) -> bool:
    return prompt_type in PROMPTED


def text_of(*, prompt_type: str, version: int) -> str:
    """The text of one version; 0 is the built-in one. Raises `NotFound`."""
    if version == 0:
        return built_in_prompt(prompt_type)
    row = Prompt.objects.filter(prompt_type=prompt_type, version=version).values_list("system_prompt", flat=True)
    if not row:
        raise NotFound("This prompt has no such version.")
    return row[0]


def compare(*, prompt_type: str, older: int, newer: int) -> list[Line]:
    """What became of a task's text between two versions, line by line; 0 is the built-in one. Raises `NotFound`."""
    return compare_texts(
        text_of(prompt_type=prompt_type, version=older), text_of(prompt_type=prompt_type, version=newer)
    )


def compare_texts(older: str, newer: str) -> list[Line]:
    """All lines of both texts, in order: where they differ, the older one's come first."""
    before, after = older.splitlines(), newer.splitlines()
    lines: list[Line] = []
    for tag, start, end, new_start, new_end in SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            shift = new_start - start
            lines += [Line("equal", at + 1, at + shift + 1, before[at]) for at in range(start, end)]
        else:
            lines += [Line("removed", at + 1, None, before[at]) for at in range(start, end)]
            lines += [Line("added", None, at + 1, after[at]) for at in range(new_start, new_end)]
    return lines


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{{name}}` of `values` replaced, in one pass: inserted text can't bring in another one."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def placeholders(template: str) -> set[str]:
    """The names that `fill` would look up."""
    return set(PLACEHOLDER.findall(template))


def placeholder_warnings(*, prompt_type: str, text: str) -> list[PlaceholderWarning]:
    """A text may leave a placeholder out, and then loses what would stand there; an unknown one is probably a slip."""
    known, used = placeholders(built_in_prompt(prompt_type)), placeholders(text)
    unknown = [PlaceholderWarning("unknown_placeholder", name) for name in sorted(used - known)]
    return unknown + [PlaceholderWarning("missing_placeholder", name) for name in sorted(known - used)]


@transaction.atomic
def save_prompt(
    *,
    prompt_type: str,
    system_prompt: str,
    user: User | None,
    note: str = "",
    is_active: bool = True,
    precondition: Precondition[ActivePrompt] = no_precondition,
) -> Prompt:
    """Stores a new version of a task's prompt, and puts it into production unless `is_active` is false.

    Here and below, `precondition` is of the prompt in production.
    """
    versions, before = _lock_prompts(prompt_type, precondition), _in_use(prompt_type)
    last = versions.aggregate(last=Max("version", default=0))["last"]
    if is_active:
        versions.filter(is_active=True).update(is_active=False)
    prompt = Prompt.objects.create(
        prompt_type=prompt_type,
        version=last + 1,
        system_prompt=system_prompt,
        note=note,
        is_active=is_active,
        created_by_user=user,
    )
    after = _in_use(prompt_type) | ({} if is_active else {"saved": prompt.version})
    audit.record("prompt.saved", user=user, resource=prompt_type, before=before, after=after)
    return prompt


@transaction.atomic
def activate_prompt(*, prompt: Prompt, precondition: Precondition[ActivePrompt] = no_precondition) -> None:
    """Puts a version into production."""
    versions, before = _lock_prompts(prompt.prompt_type, precondition), _in_use(prompt.prompt_type)
    versions.filter(is_active=True).update(is_active=False)
    versions.filter(pk=prompt.pk).update(is_active=True)
    after = _in_use(prompt.prompt_type)
    audit.record("prompt.activated", resource=prompt.prompt_type, before=before, after=after)


@transaction.atomic
def activate_version(
    *, prompt_type: str, version: int, precondition: Precondition[ActivePrompt] = no_precondition
) -> ActivePrompt:
    """Puts a version into production; 0 is the built-in text. Raises `NotFound`."""
    if version == 0:
        revert_prompt(prompt_type=prompt_type, precondition=precondition)
    elif prompt := Prompt.objects.filter(prompt_type=prompt_type, version=version).first():
        activate_prompt(prompt=prompt, precondition=precondition)
    else:
        raise NotFound("This prompt has no such version.")
    return active_prompt(prompt_type=prompt_type)


@transaction.atomic
def revert_prompt(*, prompt_type: str, precondition: Precondition[ActivePrompt] = no_precondition) -> None:
    """Puts the built-in text back into production; the versions stay."""
    versions, before = _lock_prompts(prompt_type, precondition), _in_use(prompt_type)
    if versions.filter(is_active=True).update(is_active=False):
        audit.record("prompt.reverted", resource=prompt_type, before=before, after=_in_use(prompt_type))


def versions_of(*, prompt_type: str) -> QuerySet[Prompt]:
    """All versions with their authors, the newest first."""
    return Prompt.objects.filter(prompt_type=prompt_type).select_related("created_by_user").order_by("-version")


def _in_use(prompt_type: str) -> dict[str, int]:
    """What the audit tells of a prompt: the text is in its version's row."""
    return {"version": active_prompt(prompt_type=prompt_type).version}


def _lock_prompts(prompt_type: str, precondition: Precondition[ActivePrompt]) -> QuerySet[Prompt]:
    """The versions of a task, whose changes take turns until the transaction ends: also when there is none yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"prompts of {prompt_type}"])
    precondition(active_prompt(prompt_type=prompt_type))
    return Prompt.objects.filter(prompt_type=prompt_type)
