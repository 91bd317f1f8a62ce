"""Entity tags by themselves; what each resource makes of them is tested in its app."""

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from config.api.errors import exception_handler
from config.api.etags import etag_of, not_modified, precondition, unless_known
from config.exceptions import BadRequest, PreconditionFailed

THING = {"name": "A lamp"}
ETAG = etag_of(THING)
HEX = ETAG.strip('"')
HEADERS = ["If-Match", "If-None-Match"]


def show(thing: dict[str, str]) -> dict[str, str]:
    return thing


def asked(**headers: str) -> Request:
    return Request(RequestFactory().get("/", headers={name.replace("_", "-"): text for name, text in headers.items()}))


def is_refused(**headers: str) -> bool:
    try:
        precondition(asked(**headers), show)(THING)
    except PreconditionFailed:
        return True
    return False


def test_a_tag_is_strong_and_that_of_the_content_alone() -> None:
    assert ETAG == etag_of(dict(THING)) != etag_of({"name": "A lam p"})
    assert etag_of({"a": 1, "b": {"c": 2, "d": 3}}) == etag_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert ETAG.startswith('"') and ETAG.endswith('"') and len(ETAG) == 34


@pytest.mark.parametrize(
    "header", [ETAG, f'"other", {ETAG}', f"{ETAG},", f' , {ETAG} ,\t"é"', f'"a,b",{ETAG}', "*", " * "]
)
def test_it_finds_the_tag_wherever_it_is_in_the_list(header: str) -> None:
    assert not is_refused(If_Match=header)
    assert is_refused(If_None_Match=header)
    answer = unless_known(asked(If_None_Match=header), THING)
    assert (answer.status_code, answer.data, answer["ETag"]) == (304, None, ETAG)


@pytest.mark.parametrize("header", ['"other"', '""', f'"{HEX[:-1]}"', f'"{HEX.upper()}"', f'"x", W/"{HEX[1:]}"', '"*"'])
def test_it_takes_no_other_tag_for_it(header: str) -> None:
    assert is_refused(If_Match=header)
    assert not is_refused(If_None_Match=header)
    answer = unless_known(asked(If_None_Match=header), THING)
    assert (answer.status_code, answer.data, answer["ETag"]) == (200, THING, ETAG)


def test_a_weak_tag_will_do_for_reading_but_never_for_writing() -> None:
    assert is_refused(If_Match=f"W/{ETAG}")
    assert unless_known(asked(If_None_Match=f'"x", W/{ETAG}'), THING).status_code == 304


def test_both_headers_hold() -> None:
    assert not is_refused(If_Match=ETAG, If_None_Match='"other"')
    assert is_refused(If_Match=ETAG, If_None_Match=ETAG)
    assert is_refused(If_Match="*", If_None_Match="*")


def test_without_a_header_nothing_is_looked_at() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError

    precondition(asked(), never)(THING)
    assert not_modified(asked(), never) is None


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(
    "text",
    ["", ",", HEX, "W/*", 'w/"a"', '"a" "b"', '"a', 'a"', '"a"b', '"a b"', "'a'", '*, "a"', '"a", *', '"a\x7f"',
     '"a",' * 2000 + "b", "," * 60_000 + "b"],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_it_refuses_what_is_no_list_of_tags(header: str, text: str) -> None:
    request = asked(**{header: text})
    with pytest.raises(BadRequest, match=f"^{header} is") as refusal:
        precondition(request, show)
    assert refusal.value.code == "invalid_etag"
    if header == "If-None-Match":
        with pytest.raises(BadRequest):
            unless_known(request, THING)


def test_a_failure_tells_what_is_there_now() -> None:
    with pytest.raises(PreconditionFailed) as failure:
        precondition(asked(If_Match='"other"'), show)(THING)
    answer = exception_handler(failure.value, {})
    assert answer is not None
    assert (answer.status_code, answer["ETag"]) == (412, ETAG)
    assert failure.value.extra == {"current": THING, "etag": ETAG}
