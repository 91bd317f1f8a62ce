"""What Markdown is made of, as far as importers read or write it: fences, front matter, collapsed details."""

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_LANGUAGE = re.compile(r"[A-Za-z0-9_.+#-]{1,60}")
_DETAILS = re.compile(r"<details\b[^<>]{0,4000}>|</details\s{0,10}>", re.IGNORECASE)
_FIELD = re.compile(r"(?P<name>[A-Za-z][\w -]{0,60}):[ \t]*(?P<value>.*)")
_FRONT_MATTER_LINES = 100


def fenced(code: str, language: str = "") -> str:
    """`code` as a block with a fence that nothing in it can end; empty if there is no code."""
    if not code.strip():
        return ""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    name = language if _LANGUAGE.fullmatch(language) and language != "unknown" else ""
    return f"{fence}{name}\n{code}\n{fence}"


def lines_of(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def unfenced(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The numbered lines that are no part of a fenced code block, as CommonMark delimits it."""
    fence = ""
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if not fence and not match:
            yield number, line
        elif not fence and match:
            fence = match["fence"]
        elif match and match["fence"].startswith(fence) and not match["info"].strip():
            fence = ""


def front_matter(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """The fields of a YAML block at the head of `lines`, with lower-case names, and the lines behind it.

    Only a block of plain `name: value` lines and lists counts; anything else is text and stays where it is.
    """
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if not lines or lines[start].strip() != "---":
        return {}, lines
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[start + 1 : start + 1 + _FRONT_MATTER_LINES], start + 1):
        if line.rstrip() in ("---", "..."):
            return (fields, lines[number + 1 :]) if fields else ({}, lines)
        if match := _FIELD.fullmatch(line):
            fields[match["name"].lower()] = _unquoted(match["value"].strip())
        elif line.strip() and not line.startswith((" ", "-", "\t", "#")):
            break
    return {}, lines


def without_details(text: str, is_left_out: Callable[[str], bool]) -> tuple[str, int]:
    """`text` without the `<details>` that `is_left_out`, given what starts with their tag, and how many these are.

    One that is not closed is kept: nobody knows where it ends.
    """
    kept: list[str] = []
    position = count = depth = start = 0
    for tag in _DETAILS.finditer(text):
        if depth:
            depth += -1 if tag[0].startswith("</") else 1
            if not depth:
                kept.append(text[position:start])
                position, count = tag.end(), count + 1
        elif not tag[0].startswith("</") and is_left_out(text[tag.start() : tag.end() + 200]):
            depth, start = 1, tag.start()
    kept.append(text[position:])
    return "".join(kept), count


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
