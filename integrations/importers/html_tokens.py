"""Splits HTML into tags and texts, as a browser does, and in linear time whatever it is given."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "wbr"})

_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>][^\s>]*)))?""")
_STRAY = re.compile(r"[\s/]*=")
_TAG_END = re.compile(r"[\s/]*>")
_RAW_TEXT = frozenset({"script", "style", "textarea", "title", "noscript", "template", "iframe", "svg"})


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag, or an end tag if `is_end`; `name` and the names of `attributes` are lower-case."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    is_end: bool = False


def tokens(page: str) -> Iterator[Tag | str]:
    """The tags and the texts between them, character references resolved.

    Left out: comments, declarations, and scripts, styles, drawings and the like with all they hold. A tag that is cut
    off ends the page. No character is looked at more than a few times.
    """
    position = 0
    while (start := page.find("<", position)) >= 0:
        if start > position:
            yield html.unescape(page[position:start])
        if match := _NAME.match(page, start):
            tag, position = _tag(page, match)
            if position < 0:
                return
            if tag.name in _RAW_TEXT:
                position = _behind_raw_text(page, position, tag)
            else:
                yield tag
        elif page.startswith(("<!", "</", "<?"), start):
            position = _behind(page, "-->" if page.startswith("<!--", start) else ">", start)
        else:
            yield "<"
            position = start + 1
    yield html.unescape(page[position:])


def _tag(page: str, name: re.Match[str]) -> tuple[Tag, int]:
    """The tag whose name matched, and where it ends; -1 if it does not."""
    attributes: dict[str, str] = {}
    position = name.end()
    while not (end := _TAG_END.match(page, position)):
        attribute = _ATTRIBUTE.match(page, position)
        if attribute:
            value = attribute[2] or attribute[3] or attribute[4] or ""
            attributes.setdefault(attribute[1].lower(), html.unescape(value))
            position = attribute.end()
        elif stray := _STRAY.match(page, position):
            position = stray.end()
        else:
            return Tag(""), -1
    return Tag(name[1].lower(), attributes, page.startswith("</", name.start())), end.end()


def _behind_raw_text(page: str, position: int, tag: Tag) -> int:
    if tag.is_end:
        return position
    end = re.compile(rf"</{tag.name}\b", re.IGNORECASE).search(page, position)
    return _behind(page, ">", end.start()) if end else len(page)


def _behind(page: str, mark: str, position: int) -> int:
    end = page.find(mark, position)
    return end + len(mark) if end >= 0 else len(page)
