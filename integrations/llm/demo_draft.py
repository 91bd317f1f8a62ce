"""What the demo provider writes: a project draft out of a transcript, and a draft changed as somebody wished.

By rules, so that the same words always give the same draft. Pure functions of text.
"""

import re
from dataclasses import dataclass, replace

from config.limits import DRAFT_TITLE_CHARACTERS
from config.text import shorten

MOST_POINTS = 12
MOST_STEPS = 5
WISH_CHARACTERS = 2000

_SPEAKER = re.compile(
    r"^[ \t]*(?:[#*\[]+[ \t]*)?(?:(user|human|you)|(assistant|ai|model|system))[ \t]*[\]*]*[ \t]*:[ \t]*\**[ \t]*",
    re.I | re.M,
)
_LONE_TAG = re.compile(r"^[ \t]*</?[a-z_]+>[ \t]*$", re.I | re.M)
_DRAFT_TAG = re.compile(r"</?\s*(?:title|description|current_draft)\s*>", re.I)
_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]+(\S.*)$", re.M)
_SENTENCE_END = re.compile(r"(?<=[.!?؟।])\s+|(?<=[。！？])|\n")
_CURRENT = re.compile(r"<current_draft>\s*<title>", re.I)
_RENAME = re.compile(
    r"\b(?:rename|retitle)\b.*?\b(?:to|as)\b\s+(.+)|\btitle\b.*?\bto\b\s+(.+)|\bcall it\b\s+(.+)", re.I
)
_QUOTES = '"“”„«»`'
_SWAP = re.compile(
    rf"\b(?:replace|change)\b\s+[{_QUOTES}]([^{_QUOTES}]+)[{_QUOTES}]\s+(?:with|by|to|into)\s+"
    rf"[{_QUOTES}]([^{_QUOTES}]+)[{_QUOTES}]",
    re.I,
)
_SHORTEN = re.compile(r"\b(?:shorten|shorter|condense|trim)\b", re.I)
_ADD = re.compile(r"\b(?:add|include|append|insert)\b\s+(.+)", re.I)
_FILLER = re.compile(
    r"^(?:(?:a|an|the|some)\s+)?(?:(?:new\s+)?(?:section|paragraph|part)\s+)?(?:(?:about|on|for|called|named)\s+)?",
    re.I,
)
_TARGET = re.compile(
    r"\s+(?:to|in|into)\s+(?:the|this|my|our)\s+(?:project\s+)?(?:draft|description|document)\b.*$", re.I
)

NOTE = (
    "_This is a demo draft: no model key is configured, so Draftloom put it together from the conversation by fixed "
    "rules. Set a key, such as `OPENAI_API_KEY`, to have a model write it._"
)
UNLISTED_STEPS = [
    "Check this draft against the conversation",
    "Refine it in the chat, for example: “add a section about risks”",
]
REQUESTS = "Requested changes"


@dataclass(frozen=True, slots=True)
class Draft:
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Change:
    """`summary` completes a sentence that begins with "I"."""

    draft: Draft
    summary: str


@dataclass(frozen=True, slots=True)
class SmallChange:
    """Another title, or in the description `new` in the place of `old`; what is not meant is empty.

    `summary` completes a sentence that begins with "I".
    """

    summary: str
    title: str = ""
    old: str = ""
    new: str = ""


def current_draft(system_text: str) -> Draft:
    """The draft that `system_text` holds in a `<current_draft>` element; an empty one if there is none."""
    found = _CURRENT.search(system_text)
    if not found:
        return Draft("Project draft", "")
    title, _, rest = system_text[found.end() :].partition("</title>")
    description = rest.rpartition("</current_draft>")[0].partition("<description>")[2].rpartition("</description>")[0]
    return Draft(title.strip(), description.strip())


def drafted(transcript: str) -> Draft:
    """A draft of what `transcript` (`User: …`, `Assistant: …`; else all of it the user's) talks about."""
    users, assistants = _turns(transcript)
    title = first_sentence(users[0]) if users else ""
    sections = [
        f"## Goal\n\n{shorten(_one_line(users[0]), 400) if users else 'To be agreed.'}",
        f"## What was discussed\n\n{_points(users)}",
        f"## Next steps\n\n{_steps(assistants)}",
        NOTE,
    ]
    return Draft(shorten(title.rstrip(".。"), DRAFT_TITLE_CHARACTERS) or "Untitled project", "\n\n".join(sections))


def change(draft: Draft, wish: str) -> Change:
    """`draft` with `wish` worked in: renamed, shortened, with a section more, or with the wish noted in it."""
    wish = shorten(_DRAFT_TAG.sub("", wish).strip(), WISH_CHARACTERS)
    if renamed := _renamed(wish):
        return Change(replace(draft, title=renamed.title), renamed.summary)
    if _SHORTEN.search(wish):
        return Change(replace(draft, description=_shortened(draft.description)), "shortened the description")
    if addition := _ADD.search(wish):
        return _with_section(draft, _bare(_FILLER.sub("", _TARGET.sub("", addition[1]))), wish)
    noted = replace(draft, description=_noted(draft.description, wish))
    return Change(noted, f"noted your wish under “{REQUESTS}”, where a model would have worked it in")


def small_change(draft: Draft, wish: str) -> SmallChange | None:
    """What `wish` asks for, if that is a new title, or a piece of text for another one that `draft` has once."""
    wish = shorten(wish, WISH_CHARACTERS)
    if swap := _SWAP.search(wish):
        old, new = swap.groups()
        is_there = draft.description.count(old) == 1
        return SmallChange(f"replaced “{old}” by “{new}”", old=old, new=new) if is_there else None
    return _renamed(wish)


def _renamed(wish: str) -> SmallChange | None:
    name = _RENAME.search(wish)
    title = shorten(_bare(next(filter(None, name.groups()))), DRAFT_TITLE_CHARACTERS) if name else ""
    return SmallChange(f"renamed the draft to “{title}”", title=title) if title else None


def first_sentence(text: str) -> str:
    """The first sentence of `text` on one line, without Markdown marks before it."""
    plain = text.strip().lstrip("#*_>-` \t")
    return " ".join(_SENTENCE_END.split(plain, maxsplit=1)[0].split())


def _turns(transcript: str) -> tuple[list[str], list[str]]:
    """What the user said and what the assistant said, turn by turn."""
    text = _DRAFT_TAG.sub("", _LONE_TAG.sub("", transcript))
    labels = list(_SPEAKER.finditer(text))
    if not labels:
        return ([text.strip()] if text.strip() else []), []
    ends = [label.start() for label in labels[1:]] + [len(text)]
    said = [(bool(label[1]), text[label.end() : end].strip()) for label, end in zip(labels, ends, strict=True)]
    return [turn for is_user, turn in said if is_user and turn], [
        turn for is_user, turn in said if not is_user and turn
    ]


def _points(users: list[str]) -> str:
    points = [f"- {shorten(first_sentence(turn), 200)}" for turn in users[:MOST_POINTS]]
    if len(users) > MOST_POINTS:
        points.append(f"- … and {len(users) - MOST_POINTS} more messages")
    return "\n".join(points) or "- Nothing yet"


def _steps(assistants: list[str]) -> str:
    """The last list that the assistant gave, else what to do with a draft."""
    listed = next((items for turn in reversed(assistants) if (items := _ITEM.findall(turn))), None)
    steps = listed or UNLISTED_STEPS
    return "\n".join(f"- [ ] {shorten(_one_line(step), 200)}" for step in steps[:MOST_STEPS])


def _shortened(description: str) -> str:
    """Headings as they are, of every other line its first sentence."""
    lines = [
        line if line.startswith("#") else _SENTENCE_END.split(line, maxsplit=1)[0] for line in description.splitlines()
    ]
    return "\n".join(lines)


def _with_section(draft: Draft, topic: str, wish: str) -> Change:
    heading = shorten(topic[:1].upper() + topic[1:], 80)
    description = f"{draft.description}\n\n## {heading}\n\n- Asked for in the chat: {_one_line(wish)}"
    return Change(replace(draft, description=description.strip()), f"added the section “{heading}”")


def _noted(description: str, wish: str) -> str:
    """The wish as one more point of the last section, which is made if it is another one."""
    is_there = description.rpartition("## ")[2].startswith(REQUESTS)
    section = description if is_there else f"{description}\n\n## {REQUESTS}\n"
    return f"{section}\n- {_one_line(wish)}".strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _bare(text: str) -> str:
    """A name without what quotes it or ends its sentence."""
    return _one_line(text).rstrip(".!?。 ").strip("\"'“”„«»`* ")
