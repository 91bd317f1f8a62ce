"""What the documentation says is shown by tests, is."""

import ast
import re

from config.env import BASE_DIR
from config.tests.source import modules

TESTS = {
    node.name
    for module in modules()
    if module.is_test
    for node in ast.parse(module.text).body
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
}


def test_each_row_about_an_integration_names_a_test_that_there_is() -> None:
    text = BASE_DIR.joinpath("docs", "integrations.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if "`test_" in line]
    assert len(rows) >= 12
    named = {name for row in rows for name in re.findall(r"`(test_\w+)`", row)}
    assert named - TESTS == set()
