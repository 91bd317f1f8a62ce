"""The API's document as a file: it is kept with the source, and is what the source says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.env import BASE_DIR
from config.openapi import export


def test_the_file_that_is_kept_is_what_the_source_says() -> None:
    assert export.is_current(), f"docs/openapi.json is out of date. Type: {export.COMMAND}"
    call_command("export_openapi", "--check")


def test_it_writes_the_same_each_time(tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "openapi.json"
    settings.API_TITLE = settings.OWN_URL = "https://elsewhere.example"
    settings.SPECTACULAR_SETTINGS = settings.SPECTACULAR_SETTINGS | {"TITLE": "Elsewhere"}
    call_command("export_openapi", str(path))
    assert path.read_bytes() == export.FILE.read_bytes()
    assert str(path) in capsys.readouterr().out


@pytest.mark.parametrize("change", ["", "{}", "more"])
def test_it_notices_a_file_that_is_something_else(tmp_path: Path, change: str) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(change if change != "more" else f"{export.text()}\n", "utf-8")
    with pytest.raises(CommandError, match="export_openapi"):
        call_command("export_openapi", str(path), "--check")
    assert path.stat().st_size == len(change) or change == "more"
    with pytest.raises(CommandError):
        call_command("export_openapi", str(tmp_path / "missing.json"), "--check")


def test_its_file_is_sorted_and_names_no_server() -> None:
    text = export.FILE.read_text("utf-8")
    document = json.loads(text)
    assert json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text
    assert "servers" not in document
    assert "127.0.0.1" not in text and "localhost" not in text
    assert document["info"]["title"] == "Draftloom API"


def test_it_needs_no_database_and_starts_none(tmp_path: Path) -> None:
    """Not as this test's own process, whose settings name a server that runs."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "APP_ENV": "local",
        "DATA_DIR": str(tmp_path / "data"),
    }
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    command = [sys.executable, "manage.py", "export_openapi", "--check"]
    done = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"secret_key"}
