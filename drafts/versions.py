"""Versions of a draft to read: two of them compared, and one as a Markdown document."""

import re
from typing import NamedTuple

from accounts.principals import Principal
from config.exceptions import NotFound
from drafts.comparing import Comparison, Segment, compare, compare_words
from drafts.models import DraftVersion
from drafts.services import get_draft, versions_of

_UNFIT_FOR_A_FILENAME = re.compile(r'[\x00-\x1f\x7f\u200e\u200f\u2028-\u202e\u2066-\u2069"*/:<>?\\|]+')


class Difference(NamedTuple):
    """What makes the version `new` of the version `old`."""

    old: DraftVersion
    new: DraftVersion
    title: list[Segment]
    description: Comparison


def compare_versions(*, user: Principal, conversation_id: int, from_id: int, to_id: int) -> Difference:
    """Raises `NotFound` for what is missing, for a version of another draft, and for what is not this user's to see."""
    versions = versions_of(user=user, conversation_id=conversation_id).in_bulk([from_id, to_id])
    if not {from_id, to_id} <= versions.keys():
        raise _no_such_version()
    old, new = versions[from_id], versions[to_id]
    return Difference(old, new, compare_words(old.title, new.title), compare(old.description, new.description))


def get_version(*, user: Principal, conversation_id: int, version_id: int | None) -> DraftVersion:
    """A version of the conversation's draft, the active one for None. Raises `NotFound` as `compare_versions` does."""
    if version_id is None:
        version = get_draft(user=user, conversation_id=conversation_id).active_version
    else:
        version = versions_of(user=user, conversation_id=conversation_id).filter(pk=version_id).first()
    if version is None:
        raise _no_such_version()
    return version


def document(version: DraftVersion) -> str:
    """The version in Markdown: the title as its heading, on one line, then the description as it is."""
    end = "" if version.description.endswith("\n") else "\n"
    return f"# {' '.join(version.title.split())}\n\n{version.description}{end}"


def filename(version: DraftVersion) -> str:
    """The title as the name of a Markdown file, without what a header or a file system would misunderstand."""
    name = " ".join(_UNFIT_FOR_A_FILENAME.sub(" ", version.title).split()).strip(". ")
    return f"{name or 'Draft'}.md"


def _no_such_version() -> NotFound:
    return NotFound("This draft has no such version.", code="version_not_found")
