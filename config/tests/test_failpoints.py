"""Places at which a process may be made to die, and what keeps that out of production."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.env import BASE_DIR, VARIABLES
from config.tests.source import modules
from config.tests.test_project import PRODUCTION, check

SCRIPT = """
import django
django.setup()
from config.failpoints import failpoint
failpoint("elsewhere")
print("alive", flush=True)
failpoint("here")
print("still alive", flush=True)
"""


def run_with(tmp_path: Path, failpoints: str) -> subprocess.CompletedProcess[str]:
    ours = {"APP_ENV": "local", "DATA_DIR": str(tmp_path), "FAILPOINTS": failpoints}
    environment = dict.fromkeys(VARIABLES, "") | ours | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60)


def test_it_kills_the_process_where_it_is_told_to(tmp_path: Path):
    done = run_with(tmp_path, "here=1")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "alive\n")
    assert done.stderr.endswith("Fail-point here\n")


@pytest.mark.parametrize("failpoints", ["", "here=0", "nowhere=1"])
def test_it_does_nothing_anywhere_else(tmp_path: Path, failpoints: str):
    done = run_with(tmp_path, failpoints)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\nstill alive\n", "")


def test_it_is_refused_outside_local_mode(tmp_path: Path):
    done = check(tmp_path, **PRODUCTION | {"FAILPOINTS": "after_claim=0.1"})
    assert done.returncode == 1
    assert "config.E003" in done.stderr and "set APP_ENV=local" in done.stderr
    assert check(tmp_path, APP_ENV="local", FAILPOINTS="after_claim=0.1").returncode == 0


def test_it_reads_chances(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAILPOINTS", "a=0.25, b=1")
    assert env.chances("FAILPOINTS") == {"a": 0.25, "b": 1.0}
    monkeypatch.delenv("FAILPOINTS")
    assert env.chances("FAILPOINTS") == {}


@pytest.mark.parametrize("value", ["a", "a=", "a=often", "a=1.5", "a=-1", "a=nan"])
def test_it_refuses_what_is_no_chance(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("FAILPOINTS", value)
    with pytest.raises(ImproperlyConfigured, match="each from 0 to 1"):
        env.chances("FAILPOINTS")


def test_it_has_every_place_that_a_chaos_run_names():
    calls = [module.text for module in modules() if "failpoint(" in module.text and not module.is_test]
    named = next(module.text for module in modules() if module.path == "bench/chaos/site.py")
    points = named.split("FAILPOINTS = {")[1].split("}")[0].split('"')[1::2]
    assert len(points) == 7
    assert [point for point in points if not any(f'failpoint("{point}")' in text for text in calls)] == []
