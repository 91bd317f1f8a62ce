"""Bodies that no ordinary client sends, byte by byte as they go over the wire.

There are two sorts. `spoilt` ones can't be read, or hold what can't be stored: every route must refuse them. `odd`
ones are unusual ways to write a JSON document that means what it means: a route may refuse them, but what it accepts
it must store as it was meant.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

DEPTH = 100_000
DIGITS = 40


class Hostile(NamedTuple):
    """`head` are the headers that frame and describe the body, `content` what follows the empty line. `meant` is the
    document that an `odd` one stands for. After one that is `unfinished` the client says no more."""

    what: str
    head: str
    content: bytes
    meant: dict[str, Any] | None = None
    unfinished: bool = False


Body = dict[str, Any]
Spoil = Callable[[Random, Body], bytes]


def spoilt(random: Random, valid: Body) -> Hostile:
    """A body of a route that takes JSON such as `valid`, broken in one way."""
    what = random.choice([*_SPOILERS, *_FRAMES, *_TYPES])
    if what in _SPOILERS:
        framing = random.choice([sized, sized, chunked])
        head, content = framing(random, _SPOILERS[what](random, valid))
        return Hostile(f"{what}, {framing.__name__}", f"{JSON}{head}", content)
    if what in _TYPES:
        head, content = sized(random, json.dumps(valid).encode())
        return Hostile(what, f"{_TYPES[what]}{head}", content)
    head, content = _FRAMES[what](random, json.dumps(valid).encode())
    return Hostile(what, f"{JSON}{head}", content, unfinished=True)


def odd(random: Random, valid: Body, texts: list[str]) -> Hostile:
    """A document like `valid`, with other values for its members `texts`, written down in an unusual way."""
    meant = valid | {name: random.choice(_TEXTS) for name in texts}
    writing, framing = random.choice(_WRITINGS), random.choice([sized, chunked])
    headers = random.choice(_HEADERS)
    head, content = framing(random, writing(random, meant))
    return Hostile(f"{writing.__name__}, {framing.__name__}", f"{headers}{head}", content, meant)


# ── Framing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

JSON = "Content-Type: application/json\r\n"


def sized(random: Random, body: bytes) -> tuple[str, bytes]:
    return f"Content-Length: {len(body)}\r\n", body


def chunked(random: Random, body: bytes) -> tuple[str, bytes]:
    return CHUNKED, b"".join(_chunks(random, body)) + b"0\r\n\r\n"


def _chunks(random: Random, body: bytes) -> Iterator[bytes]:
    most = max(1, len(body) // random.choice([1, 2, 7]))
    for start in range(0, len(body), most):
        piece = body[start : start + most]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)


def _too_short(random: Random, body: bytes) -> tuple[str, bytes]:
    return f"Content-Length: {random.randrange(1, len(body))}\r\n", body


def _too_long(random: Random, body: bytes) -> tuple[str, bytes]:
    return f"Content-Length: {len(body) + random.randrange(1, 10_000)}\r\n", body


def _cut(random: Random, body: bytes) -> tuple[str, bytes]:
    content = chunked(random, body)[1]
    return CHUNKED, content[: random.randrange(1, len(content) - 4)]


def _no_size(random: Random, body: bytes) -> tuple[str, bytes]:
    size = random.choice([b"zz", b"-1", b"", b"f" * 17, b"0x10", b" "])
    return CHUNKED, size + b"\r\n" + body + b"\r\n0\r\n\r\n"


def _no_length(random: Random, body: bytes) -> tuple[str, bytes]:
    return f"Content-Length: {random.choice(['-1', 'abc', '1e3', '9' * DIGITS, '5, 6', '0x10'])}\r\n", body


CHUNKED = "Transfer-Encoding: chunked\r\n"
_FRAMES: dict[str, Callable[[Random, bytes], tuple[str, bytes]]] = {
    "a length that is too small": _too_short,
    "a length that is too large": _too_long,
    "chunks that break off": _cut,
    "a chunk whose size is no number": _no_size,
    "a length that is no number": _no_length,
}
_TYPES = {
    "no content type": "",
    "an empty content type": "Content-Type:\r\n",
    "another content type": "Content-Type: text/plain\r\n",
    "a form that is none": "Content-Type: application/x-www-form-urlencoded\r\n",
    "a content type without a subtype": "Content-Type: application/\r\n",
    "a content type of other bytes": "Content-Type: \u00fcber/\u00ff\r\n",
}

# ── Bodies that can't be read ─────────────────────────────────────────────────────────────────────────────────────────


def _spliced(valid: Body, raw: bytes) -> bytes:
    """The document with one further member, whose value is `raw`."""
    return json.dumps(valid)[:-1].encode() + b', "further": ' + raw + b"}"


def _cut_off(random: Random, valid: Body) -> bytes:
    text = json.dumps(valid).encode()
    return text[: random.randrange(1, len(text) - 1)]


def _in_other_encoding(random: Random, valid: Body) -> bytes:
    name = random.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig", "cp037"])
    return json.dumps(valid).encode(name)


def _no_utf8(random: Random, valid: Body) -> bytes:
    bad = random.choice(
        [b"\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xff"]
    )
    return _spliced(valid, b'"' + bad + b'"')


def _deep(random: Random, valid: Body) -> bytes:
    depth = random.choice([65, 1000, DEPTH])
    opening, closing = random.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
    return _spliced(valid, opening * depth + b"1" + closing * random.choice([depth, depth, 0]))


def _number(random: Random, valid: Body) -> bytes:
    numbers = [b"1e400", b"-1e400", b"NaN", b"Infinity", b"-Infinity", b"0x10", b"01", b".5", b"+1", b"1e", b"1_000"]
    return _spliced(valid, random.choice(numbers))


def _wrong_kind(random: Random, valid: Body) -> bytes:
    value = random.choice(["7" * DIGITS, "-" + "7" * DIGITS, "1e300", "[[]]", "{}", "1.5"])
    return f'{json.dumps(valid)[:-1]}, "{random.choice(list(valid))}": {value}}}'.encode()


def _unstorable(random: Random, valid: Body) -> bytes:
    text = random.choice([rb"\u0000", rb"\ud800", rb"\udfff", rb"\udc00\ud800", rb"a\u0000b", rb"\ud83d\u0041"])
    return _spliced(valid, random.choice([b'"%s"', b'{"%s": 1}', b'[["%s"]]']) % text)


def _control(random: Random, valid: Body) -> bytes:
    return _spliced(valid, b'"a%cb"' % random.choice([0, 1, 9, 10, 13, 31]))


def _packed(random: Random, valid: Body) -> bytes:
    return gzip.compress(json.dumps(valid).encode())


def _no_json(random: Random, valid: Body) -> bytes:
    text = json.dumps(valid).encode()
    return random.choice([text + b"x", text + text, text.replace(b'"', b"'"), b"// no\n" + text, text[:-1] + b",}",
                          b"\x00" + text, b"\x00", b"%", b"<a/>", text.replace(b":", b"=")])  # fmt: skip


def _no_object(random: Random, valid: Body) -> bytes:
    return random.choice([b"[]", b"null", b"true", b'"text"', b"5", json.dumps([valid]).encode()])


_SPOILERS: dict[str, Spoil] = {
    "cut off": _cut_off,
    "another encoding": _in_other_encoding,
    "no UTF-8": _no_utf8,
    "nested deeply": _deep,
    "no number, or too large a one": _number,
    "a member of another kind": _wrong_kind,
    "text that can't be stored": _unstorable,
    "a bare control character": _control,
    "compressed": _packed,
    "no JSON": _no_json,
    "no object": _no_object,
}

# ── Bodies that are unusual ───────────────────────────────────────────────────────────────────────────────────────────


def plainly(random: Random, meant: Body) -> bytes:
    return json.dumps(meant, ensure_ascii=False).encode()


def escaped(random: Random, meant: Body) -> bytes:
    """Each character of names and texts as an escape, those beyond the first plane as a pair of surrogates."""
    members = (f"{_escapes(name)}:{_escapes(v) if isinstance(v, str) else json.dumps(v)}" for name, v in meant.items())
    return ("{" + ",".join(members) + "}").encode()


def _escapes(text: str) -> str:
    units = text.encode("utf-16-be").hex()
    return '"' + "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)) + '"'


def twice(random: Random, meant: Body) -> bytes:
    """Each member has another value first; the last one counts."""
    other = json.dumps(dict.fromkeys(meant, "of no account"))
    return f"{other[:-1]},{json.dumps(meant)[1:]}".encode()


def with_others(random: Random, meant: Body) -> bytes:
    others = {"id": 1, "": None, "is_locked": True, "__proto__": {}, "further": [[["x" * 100]]], "big": 10**DIGITS}
    return json.dumps({name: value for name, value in others.items() if name not in meant} | meant).encode()


def spaced(random: Random, meant: Body) -> bytes:
    return b" \t\r\n" * random.randrange(1, 500) + json.dumps(meant, indent=9).encode() + b"\n" * 100


_WRITINGS = [plainly, escaped, twice, with_others, spaced]
_TEXTS = [
    "\\u0000 is no NUL here", "\U0001f600", "e\u0301 is not \u00e9", "\u202e\u2066left", "\uffff\ufffe\ufdd0",
    "\u2028\u2029\x85", "\x01\x02\x1f\x7f", " \t outer space \n ", "\ufeffmark", "9" * DIGITS, "NaN", "null",
    "'; DROP TABLE users; --", "%s %(x)s {0} ${x}", "<script>alert(1)</script>", "\U0010ffff", "a\r\nb\rc\nd",
    "\u200d\u200b", "\\", '"', "\u0130\u0131\u1e9e",
]  # fmt: skip
_HEADERS = [JSON, "Content-Type: application/json; charset=utf-8\r\n", "content-type:application/json\r\n",
            f"{JSON}X-Filler: {'x' * 8000}\r\n", f"{JSON}Content-Encoding: identity\r\n", f"{JSON}Expect: 200-ok\r\n",
            f"{JSON}{JSON}"]  # fmt: skip
