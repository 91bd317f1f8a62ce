"""The one way in which text from outside is put into a prompt: between tags, as data.

Imported chats, drafts, files and the parts of long texts all go through `as_data`, and each prompt says that what
stands between the tags is data. That tells a model where the data ends. It does not stop one from obeying what it reads
there: what a model may do is limited by approvals, and not by this.
"""

import functools
import re

_TAG_NAME = re.compile(r"[a-z][a-z_]*")
# Nobody sees them and a model reads them: zero-width space, word joiner, byte order mark, directions, tag characters,
# supplementary variation selectors. The zero-width joiners stay: emoji and several scripts are spelt with them.
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e01ef]")
_GAP = r"[\s\u034f\u180e\u200c\u200d\ufe00-\ufe0f]*+"  # what may stand inside a tag that still looks like one


def as_data(tag: str, text: str) -> str:
    """`text` between `<tag>` and `</tag>`, each on a line of its own.

    The closing tag stands at the end and nowhere else: within the text, the `<` of anything that looks like this tag,
    opening or closing, in whatever case, or with spaces in it, becomes `&lt;`. Characters nobody sees are left out.
    Raises `ValueError` unless `tag` is made of small letters and underscores.
    """
    return f"<{tag}>\n{_looks_like(tag).sub('&lt;', _UNSEEN.sub('', text))}\n</{tag}>"


@functools.cache
def _looks_like(tag: str) -> re.Pattern[str]:
    """Matches the `<` of a tag of this name."""
    if not _TAG_NAME.fullmatch(tag):
        raise ValueError("A tag's name is made of small letters and underscores.")
    name = _GAP.join(tag)
    return re.compile(rf"<(?={_GAP}(?:/{_GAP})?{name}(?!\w))", re.IGNORECASE)
