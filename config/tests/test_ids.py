import uuid

import pytest

from config.api.ids import parse_id, parse_uuid
from config.api.pagination import limit_offset
from config.exceptions import BadRequest, Invalid, NotFound


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("007", 7), ("+5", 5), (str(2**63 - 1), 2**63 - 1)])
def test_it_reads_an_id(text, value):
    assert parse_id(text, "conversation") == value


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1\n", "1e3", "1.0", "0x1", "abc", "+", "-", "١٢", "²", "1\x00", "--1"]
)
def test_it_refuses_what_is_not_a_number(text):
    with pytest.raises(Invalid) as refusal:
        parse_id(text, "conversation")
    assert type(refusal.value) is Invalid
    assert refusal.value.code == "invalid_id"


@pytest.mark.parametrize("text", ["0", "-1", "000", "-0", "+0", "-" + "9" * 5000])
def test_it_refuses_an_id_that_is_not_positive(text):
    with pytest.raises(BadRequest) as refusal:
        parse_id(text, "version")
    assert (refusal.value.code, refusal.value.detail) == ("invalid_id", "The id of a version must be positive.")


@pytest.mark.parametrize("text", [str(2**63), "9" * 40, "9" * 5000])
def test_it_finds_nothing_beyond_the_range_of_the_database(text):
    with pytest.raises(NotFound) as refusal:
        parse_id(text, "conversation")
    assert refusal.value.detail == "Conversation not found."


UUID = "87c436a3-44a7-4409-89c5-6944bdc9e03e"


def test_it_reads_a_uuid():
    value = uuid.UUID(UUID)
    assert parse_uuid(str(value), "run") == value
    assert parse_uuid(str(value).upper(), "run") == value


@pytest.mark.parametrize(
    "text", ["", "1", UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}", f"{UUID}\n", "g" * 36]
)
def test_it_refuses_what_is_not_a_uuid(text):
    with pytest.raises(Invalid) as refusal:
        parse_uuid(text, "run")
    assert refusal.value.code == "invalid_id"


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, (100, 0)),
        ({"limit": "1", "offset": "7"}, (1, 7)),
        ({"limit": "1000"}, (1000, 0)),
        ({"offset": str(2**31)}, (100, 2**31)),
        ({"offset": "9" * 30}, (100, 2**63 - 1)),
    ],
)
def test_it_reads_a_page(query, page):
    assert limit_offset(query) == page


def test_it_reads_a_page_with_bounds_of_its_own():
    assert limit_offset({}, default=20, most=50) == (20, 0)
    with pytest.raises(BadRequest):
        limit_offset({"limit": "51"}, default=20, most=50)


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e2", " 1", "٣", "9" * 5000])
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_it_refuses_a_page_that_is_no_number(name, text):
    with pytest.raises(Invalid) as refusal:
        limit_offset({name: text})
    assert type(refusal.value) is Invalid
    assert refusal.value.field == name


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": "0"}, "invalid_limit"),
        ({"limit": "1001"}, "invalid_limit"),
        ({"limit": "-1"}, "invalid_limit"),
        ({"limit": "9" * 500}, "invalid_limit"),
        ({"offset": "-1"}, "invalid_offset"),
    ],
)
def test_it_refuses_a_page_out_of_range(query, code):
    with pytest.raises(BadRequest) as refusal:
        limit_offset(query)
    assert refusal.value.code == code
