"""Turns ChatGPT's citation marks into Markdown.

A mark is U+E200, a kind and its arguments separated by U+E202, U+E201; U+E203 and U+E204 enclose a cited span. The
`content_references` of a message say what each mark stands for, with offsets in code points. An older style is
`【11†source】` with `citations`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from integrations.importers.turns import TEXT_CHARACTERS, too_large
from integrations.importers.values import dict_or_empty, dicts

_MARK = re.compile("\ue200([^\ue200\ue201]*)\ue201")
_STRAY = re.compile("[\ue200-\ue206]")
_OLD_MARK = re.compile(r"【\d{1,4}(?::\d{1,4})?†[^【】]{0,200}】")
_LINK = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_REPLACEMENT_CHARACTERS = 20_000

Replacement = tuple[int, int, str]


def resolve_citations(text: str, metadata: dict[str, Any]) -> str:
    """`text` with every mark replaced by a link, a name or nothing; no private-use mark is left."""
    pieces: list[str] = []
    position = 0
    for start, end, replacement in sorted(_replacements(text, metadata)):
        if start >= position:
            pieces += [text[position:start], replacement]
            position = end
    pieces.append(text[position:])
    if sum(map(len, pieces)) > TEXT_CHARACTERS:
        raise too_large()
    return _without_marks("".join(pieces))


def _replacements(text: str, metadata: dict[str, Any]) -> Iterator[Replacement]:
    for reference in dicts(metadata.get("content_references")):
        span = _span(reference.get("start_idx"), reference.get("end_idx"), text)
        # A sources footnote "matches" a space somewhere: a reference counts only where its mark itself stands.
        if (
            span
            and _stands_at(span, reference.get("matched_text"), text)
            and reference.get("type") != "sources_footnote"
        ):
            yield *span, _markdown(reference)
    for citation in dicts(metadata.get("citations")):
        span = _span(citation.get("start_ix"), citation.get("end_ix"), text)
        if span and _OLD_MARK.fullmatch(text, *span):
            yield *span, web_link(dict_or_empty(citation.get("metadata")))


def _span(start: Any, end: Any, text: str) -> tuple[int, int] | None:
    return (start, end) if type(start) is int and type(end) is int and 0 <= start < end <= len(text) else None


def _stands_at(span: tuple[int, int], matched: Any, text: str) -> bool:
    start, end = span
    return isinstance(matched, str) and len(matched) == end - start and text.startswith(matched, start)


def _markdown(reference: dict[str, Any]) -> str:
    kind, name = reference.get("type"), _plain(reference.get("name"))
    if kind == "file":
        return f"[file: {name}]" if name else ""
    links = [web_link(item) for item in dicts(reference.get("items"))[:20]] if kind == "grouped_webpages" else []
    if any(links):
        return f"({', '.join(filter(None, links))})"
    alt = reference.get("alt")
    return alt if isinstance(alt, str) and len(alt) <= _REPLACEMENT_CHARACTERS else ""


def web_link(item: dict[str, Any]) -> str:
    """A Markdown link to a source; its name alone if the address is not one of the web."""
    name = _plain(item.get("attribution")) or _plain(item.get("title"))
    url = item.get("url")
    if not isinstance(url, str) or len(url) > 2000 or not _LINK.fullmatch(url):
        return name
    return f"[{name or 'source'}]({url.replace('(', '%28').replace(')', '%29')})"


def _plain(value: Any) -> str:
    return re.sub(r"[\[\]\s]+", " ", value[:300]).strip() if isinstance(value, str) else ""


def _without_marks(text: str) -> str:
    text = _MARK.sub(lambda match: _name_in(match[1]), text)
    return _STRAY.sub("", _OLD_MARK.sub("", text))


def _name_in(mark: str) -> str:
    """The name in an `entity` mark that no reference explains: it is part of the sentence. Nothing for other marks."""
    kind, _, argument = mark.partition("\ue202")
    if kind != "entity":
        return ""
    try:
        values = json.loads(argument)
    except (ValueError, RecursionError):
        return ""
    return values[1] if isinstance(values, list) and len(values) > 1 and isinstance(values[1], str) else ""
