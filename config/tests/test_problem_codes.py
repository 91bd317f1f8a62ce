"""Every code that the source knows is explained, and the API's document names it where it may come."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest
from django.test import Client

from config import exceptions
from config.api.errors import _STATUS
from config.api.problems import PROBLEMS
from config.api.run_problems import RUN_PROBLEMS
from config.tests import openapi
from config.tests.source import Module, product
from integrations.importers.base import ImporterError
from integrations.refusals import _DETAILS

POSITIONS = {"RunFailed": 0, "error_of": 0, "Refusal": 1, "Described": 1, "problem": 1}
"""Which argument of a call is a code, where it has no name."""
STATUSES = {kind.__name__: status for kind, status in _STATUS.items()} | {ImporterError.__name__: 422}
COMMAND_LINE = {"embedded_servers", "data_dir_taken", "socket_dir_taken"}  # told by `manage.py`, in words
ADMIN = {  # told on its pages, in words
    "model_in_use",
    "repeated_model",
    "conversation_not_locked",
    "nothing_to_try",
    "trial_in_progress",
}


def codes_in(module: Module) -> Iterator[tuple[str, str]]:
    """Each code that the module writes out, with the name of what is called with it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            named = [keyword.value for keyword in node.keywords if keyword.arg in {"code", "error_code"}]
            placed = node.args[POSITIONS[name] : POSITIONS[name] + 1] if name in POSITIONS else []
            yield from ((code, name) for value in [*named, *placed] for code in _words(value))
        elif isinstance(node, ast.ClassDef):
            assigned = [line for line in node.body if isinstance(line, ast.Assign)]
            yield from (
                (code, node.name)
                for line in assigned
                if ast.unparse(line.targets[0]) == "code"
                for code in _words(line.value)
            )


def _words(value: ast.expr) -> list[str]:
    """The strings that an expression may be: itself, or the two ways of a condition."""
    choices = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return [
        choice.value
        for choice in choices
        if isinstance(choice, ast.Constant) and isinstance(choice.value, str) and choice.value
    ]


@cache
def known() -> set[tuple[str, str]]:
    written = {pair for module in product() if not module.path.startswith("bench/") for pair in codes_in(module)}
    return {(code, name) for code, name in written if code not in COMMAND_LINE | ADMIN}


def test_it_explains_each_code_that_the_source_knows() -> None:
    codes = {code for code, _ in known()} | set(_DETAILS) - {"gone"}
    assert len(codes) > 100
    assert sorted(codes - set(PROBLEMS)) == [], (
        "Explain it in config/api/problems.py, or run_problems.py if a run ends so."
    )


def test_it_explains_no_code_that_is_gone() -> None:
    text = "\n".join(module.text for module in product() if not module.path.endswith("problems.py"))
    unknown = [code for code in PROBLEMS if f'"{code}"' not in text and code not in {"invalid_limit", "invalid_offset"}]
    drf = {"not_authenticated", "method_not_allowed"}  # DRF's own words
    assert sorted(set(unknown) - drf) == []


def test_it_finds_a_code_wherever_one_is_written() -> None:
    lines = [
        'raise Conflict("x", code="a")', 'raise RunFailed("b", "x")', 'Refusal(413, "c", "x")', 'x(code=code)',
        'class E(Exception):\n    code = "d"', 'raise Unavailable("x", code="e" if x else "f")', 'code = "g"',
    ]  # fmt: skip
    found = [code for line in lines for code, _ in codes_in(Module("chat/x.py", line))]
    assert found == ["a", "b", "c", "d", "e", "f"]


def test_each_explanation_says_what_to_do() -> None:
    """Long enough to hold a cause and a remedy, in whole sentences."""
    for code, (title, explanation) in PROBLEMS.items():
        assert title[0].isupper() and not title.endswith("."), code
        assert explanation[0].isupper() or explanation.startswith("`"), code
        assert explanation.endswith(".") and len(explanation) > 30, code
    assert set(RUN_PROBLEMS) < set(PROBLEMS)


def documented() -> set[tuple[int, str]]:
    """Status and code of each problem that the document shows at an operation."""
    return {
        (problem["status"], problem["code"])
        for _, operation in openapi.operations().values()
        for status, answer in openapi.answers(operation)
        for media_type, body in openapi.bodies(answer)
        if media_type == "application/problem+json"
        for problem in openapi.examples(body)
    }


def raised() -> set[tuple[int, str]]:
    """Status and code of each refusal that the source raises by the name of its class."""
    return {(STATUSES[name], code) for code, name in known() if name in STATUSES}


IN_RUNS = {
    *{(422, code) for code in (*_DETAILS, *RUN_PROBLEMS)},  # of links, and of archives that a worker lists
    (410, "gone"),  # of events that Redis has no more
}
ANYWHERE = {
    (500, "error"),  # the class above all others, which nobody raises
    (410, "link_expired"),  # of pages: the sign-in link, and a file's address
    (404, "not_found"),
    (413, "too_large"),
}


def test_the_document_names_each_refusal_that_the_source_raises() -> None:
    missing = raised() - documented() - IN_RUNS - ANYWHERE
    assert sorted(missing) == [], "Add it to `codes` of the operations' rows in the app's `examples.py`."


def test_the_document_names_no_refusal_that_nobody_raises() -> None:
    general = {
        (400, "malformed"), (400, "bad_request"), (401, "not_authenticated"), (401, "authentication_failed"),
        (403, "foreign_origin"), (403, "forbidden"), (404, "not_found"), (408, "request_timeout"), (409, "conflict"),
        (413, "too_large"), (415, "unsupported_type"), (422, "validation_error"), (429, "throttled"),
        (429, "too_many_streams"), (500, "server_error"), (503, "too_many_streams"), (503, "unavailable"),
    }  # fmt: skip
    by_another_name = {
        (400, "CHAT_NOT_FOUND"), (400, "invalid_offset"), (422, "invalid_limit"), (422, "invalid_offset"),
        (403, "conversation_locked"), (503, "linear_refused"), (503, "linear_unavailable"),
    }  # fmt: skip
    assert sorted(documented() - raised() - general - by_another_name) == []


def test_each_class_of_refusal_has_a_status() -> None:
    kinds = {
        name for name, value in vars(exceptions).items() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert kinds == {kind.__name__ for kind in _STATUS}


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (None, True),
        ("*/*", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
    ],
)
def test_a_page_explains_to_people_and_json_to_programs(client: Client, accept: str | None, is_page: bool) -> None:
    answer = client.get("/problems/run_in_progress", headers={"Accept": accept} if accept else {})
    assert "Accept" in answer["Vary"].split(", ")
    title, explanation = PROBLEMS["run_in_progress"]
    if is_page:
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert explanation in answer.content.decode()
    else:
        assert answer.json() == {"code": "run_in_progress", "title": title, "explanation": explanation}
