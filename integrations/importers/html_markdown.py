"""Writes the HTML of a message as Markdown: what sites make of Markdown, turned back."""

import re
from collections import Counter
from dataclasses import dataclass, field

from integrations.importers.html_tokens import Tag
from integrations.importers.markdown import fenced

_BLOCKS = frozenset({"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure"})
_BLOCKS |= {"footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p"}
_BLOCKS |= {"section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
_SKIPPED = frozenset({"button", "select", "dialog"})
_MARKS = {"strong": "**", "b": "**", "em": "_", "i": "_", "del": "~~", "s": "~~"}
_WEB = re.compile(r"https?://[^\s<>()]{1,2000}", re.IGNORECASE)
_MAX_DEPTH = 12  # of lists and quotes; deeper ones are written at this depth


@dataclass
class MarkdownWriter:
    """Takes the tags and texts of one message one after another; `text` is its Markdown.

    Counts images, which it replaces by `[image]`, in `omitted`. Left out are buttons and what is only for screen
    readers (unless it `keeps_hidden`) or hidden from them. Formulas are the TeX that KaTeX keeps beside what it draws.
    """

    keeps_hidden: bool = False
    omitted: Counter[str] = field(default_factory=Counter)
    _lines: list[str] = field(default_factory=list)
    _inline: list[str] = field(default_factory=list)
    _prefixes: list[list[str]] = field(default_factory=list)  # of each open list item and quote: [first line, others]
    _lists: list[int] = field(default_factory=list)  # of each open list: the number of its next item, 0 for bullets
    _skipping: str = ""  # the name of the element that is passed over
    _skip_depth: int = 0
    _code: list[str] | None = None
    _language: str = ""
    _links: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        self._break()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()

    def take(self, token: Tag | str) -> None:
        if self._skipping:
            self._skip(token)
        elif isinstance(token, str):
            self._add_text(token)
        elif token.is_end:
            self._close(token.name)
        else:
            self._open(token)

    def _skip(self, token: Tag | str) -> None:
        if isinstance(token, Tag) and token.name == self._skipping:
            self._skip_depth += -1 if token.is_end else 1
            if not self._skip_depth:
                self._skipping = ""

    def _add_text(self, text: str) -> None:
        if self._code is not None:
            self._code.append(text)
        else:
            self._inline.append(re.sub(r"\s+", " ", text))

    def _open(self, tag: Tag) -> None:
        name = tag.name
        if self._code is not None:
            self._open_in_code(tag)
        elif self._is_skipped(tag):
            self._skipping, self._skip_depth = name, 1
        elif name == "pre":
            self._break()
            self._code, self._language = [], ""
        elif name == "img":
            self.omitted["image"] += 1
            self._inline.append("[image]")
        elif name == "br":
            self._end_line()
        elif name == "annotation":  # of KaTeX: the formula's source
            self._inline.append("$")
        elif name == "a":
            self._links.append(tag.attributes.get("href", ""))
            self._inline.append("[" if _WEB.fullmatch(self._links[-1]) else "")
        elif name in _BLOCKS:
            self._open_block(tag)
        else:
            self._inline.append(_MARKS.get(name, "`" if name == "code" else ""))

    def _open_in_code(self, tag: Tag) -> None:
        if tag.name == "code":  # what stands in front of it is the block's caption
            self._code = []
            self._language = next(
                (word[9:] for word in tag.attributes.get("class", "").split() if word.startswith("language-")), ""
            )
        elif tag.name == "br" and self._code is not None:
            self._code.append("\n")
        elif tag.name in _SKIPPED:
            self._skipping, self._skip_depth = tag.name, 1

    def _open_block(self, tag: Tag) -> None:
        self._break()
        if tag.name in ("ul", "ol"):
            start = tag.attributes.get("start", "1")
            self._lists.append((int(start) if start.isdecimal() and len(start) < 7 else 1) if tag.name == "ol" else 0)
        elif tag.name == "li":
            self._open_item()
        elif tag.name == "blockquote":
            self._prefixes.append(["> ", "> "])
        elif tag.name == "hr":
            self._lines += ["---", ""]
        elif re.fullmatch("h[1-6]", tag.name):
            self._inline.append("#" * int(tag.name[1]) + " ")

    def _open_item(self) -> None:
        number = self._lists[-1] if self._lists else 0
        marker = f"{number}. " if number else "- "
        if number:
            self._lists[-1] += 1
        self._prefixes.append([marker, " " * len(marker)])

    def _close(self, name: str) -> None:
        if self._code is not None:
            if name in ("pre", "code"):
                self._close_code(name)
        elif name == "a" and self._links:
            href = self._links.pop()
            self._inline.append(f"]({href})" if _WEB.fullmatch(href) else "")
        elif name == "annotation":
            self._inline.append("$")
        elif name in ("td", "th"):
            self._inline.append(" | ")
        elif name in _BLOCKS:
            self._close_block(name)
        else:
            self._inline.append(_MARKS.get(name, "`" if name == "code" else ""))

    def _close_code(self, name: str) -> None:
        code = "".join(self._code or [])
        if name == "code" and not code.strip():
            return
        self._code = None
        for line in fenced(code.strip("\n"), self._language).split("\n"):
            self._write(line)
        self._lines.append("")

    def _close_block(self, name: str) -> None:
        self._break(is_tight=name in ("li", "tr", "ul", "ol"))
        if name in ("li", "blockquote") and self._prefixes:
            self._prefixes.pop()
        elif name in ("ul", "ol") and self._lists:
            self._lists.pop()
            if not self._lists:
                self._lines.append("")

    def _break(self, *, is_tight: bool = False) -> None:
        """Ends the paragraph that is being written."""
        if self._end_line() and not is_tight and not self._lists:
            self._lines.append("")

    def _end_line(self) -> bool:
        line = re.sub(" {2,}", " ", "".join(self._inline)).strip()
        self._inline.clear()
        if line:
            self._write(line)
        return bool(line)

    def _write(self, line: str) -> None:
        open_prefixes = self._prefixes[:_MAX_DEPTH]
        self._lines.append(("".join(prefix[0] for prefix in open_prefixes) + line).rstrip())
        for prefix in open_prefixes:
            prefix[0] = prefix[1]

    def _is_skipped(self, tag: Tag) -> bool:
        is_hidden = "sr-only" in tag.attributes.get("class", "").split() and not self.keeps_hidden
        return is_hidden or tag.name in _SKIPPED or tag.attributes.get("aria-hidden") == "true"
