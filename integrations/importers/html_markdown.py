"""Writes the HTML of a message as Markdown: what sites make of Markdown, turned back."""

import re
from collections import Counter

from integrations.importers.html_tokens import Tag
from integrations.importers.markdown import fenced

_BLOCKS = frozenset({"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure"})
_BLOCKS |= {"footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p"}
_BLOCKS |= {"section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
_SKIPPED = frozenset({"button", "select", "dialog"})
_MARKS = {"strong": "**", "b": "**", "em": "_", "i": "_", "del": "~~", "s": "~~", "code": "`"}
_WEB = re.compile(r"https?://[^\s<>()]{1,2000}", re.IGNORECASE)
_MAX_COLUMNS = 100
_MAX_DEPTH = 12  # of lists and quotes; deeper ones are written at this depth


class MarkdownWriter:
    """Takes the tags and texts of one message one after another; `text` is its Markdown.

    Counts images, which it replaces by `[image]`, in `omitted`. Left out are buttons and what is only for screen
    readers (unless it `keeps_hidden`) or hidden from them. Formulas are the TeX that KaTeX keeps beside what it draws.
    """

    def __init__(self, *, keeps_hidden: bool = False) -> None:
        self.keeps_hidden = keeps_hidden
        self.omitted: Counter[str] = Counter()
        self._lines: list[str] = []
        self._inline: list[str] = []
        self._prefixes: list[list[str]] = []  # of each open item and quote: for its first line, and for the others
        self._lists: list[int] = []  # of each open list: the number of its next item, 0 for bullets
        self._links: list[str] = []
        self._marks: Counter[str] = Counter()  # which are open
        self._skipping = ""  # the name of the element that is passed over
        self._skip_depth = 0
        self._code: list[str] | None = None
        self._language = ""
        self._cells = 0  # of the table's row that is being written
        self._is_head = False

    @property
    def text(self) -> str:
        if self._code is not None:
            self._close_code("pre")
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
        elif name in _MARKS:
            self._marks[name] += 1
            self._inline.append(_MARKS[name])

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
        elif tag.name == "tr":
            self._inline.append("| ")
            self._cells = 0
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
            self._cells, self._is_head = self._cells + 1, name == "th"
        elif name in _BLOCKS:
            self._close_block(name)
        elif self._marks[name]:
            self._marks[name] -= 1
            self._inline.append(_MARKS[name])

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
        elif name == "tr" and self._is_head:
            self._write("|" + " --- |" * min(self._cells, _MAX_COLUMNS))
        elif name == "table":
            self._lines.append("")
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
