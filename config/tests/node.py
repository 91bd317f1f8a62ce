"""Node, for the test of the types that clients are generated with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER_STAMP = "node_modules/.package-lock.json"  # npm writes it last
INSTALL_SECONDS, RUN_SECONDS = 240, 120


def npm(folder: Path, *arguments: str, seconds: float = RUN_SECONDS) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["npm", *arguments], cwd=folder, capture_output=True, text=True, timeout=seconds)


def installed(folder: Path) -> Path:
    """The folder with the packages of its lock file, installed anew if that has changed.

    Skips the test where there is no Node, and fails it where `REQUIRE_NODE=1` says that there has to be one.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        _do_without("there is no Node here")
    lock, stamp = folder / "package-lock.json", folder / FOLDER_STAMP
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        done = npm(folder, "ci", "--ignore-scripts", seconds=INSTALL_SECONDS)
        if done.returncode:
            _do_without("npm could not install the packages of docs/client")
    return folder


def _do_without(reason: str) -> None:
    reason = f"The generated types are not tested: {reason}."
    if os.environ.get("REQUIRE_NODE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
