"""No link leads to a connection elsewhere than to the checked address of a site on the list."""

import json
import subprocess
import sys
from typing import Any

import pytest

from config.env import BASE_DIR
from integrations.importers.links import FETCHABLE_HOSTS
from integrations.tests.fixtures.hostile_urls import HOSTILE_URLS, SITES

SOUND = [f"https://{host}{path}" for host, path in SITES.items()]
PUBLIC = "93.184.215.14"


def imported(urls: list[str], *answers: list[str], obeys_robots: bool = False) -> dict[str, Any]:
    """What became of importing `urls` while names resolved to `answers`, in turn."""
    given = json.dumps({"urls": urls, "answers": answers, "obeys_robots": obeys_robots})
    command = [sys.executable, "-m", "integrations.tests.hostile_child"]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, cwd=BASE_DIR, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_it_has_many_hostile_urls_and_all_differ():
    assert len(HOSTILE_URLS) == len(set(HOSTILE_URLS)) >= 120


def test_it_connects_nowhere_and_looks_nothing_up_for_a_hostile_url():
    result = imported(HOSTILE_URLS, *[[PUBLIC]] * 500)
    assert set(result["outcomes"]) == {"unsupported_url"}
    assert len(result["outcomes"]) == len(HOSTILE_URLS)
    assert (result["looked_up"], result["connected"]) == ([], [])


def test_it_records_what_a_sound_link_would_do():
    result = imported(SOUND, *[[PUBLIC]] * 50)
    assert set(result["outcomes"]) == {"fetch_failed"}
    assert set(result["looked_up"]) == FETCHABLE_HOSTS
    assert result["connected"]
    assert all(address == [PUBLIC, 443] for address in result["connected"])


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["169.254.169.254", PUBLIC], ["0.0.0.0"], ["100.64.0.9"], []],
    ids=" ".join,
)
def test_it_connects_to_no_site_whose_name_resolves_to_a_private_address(addresses):
    result = imported(SOUND, *[addresses] * 20)
    assert (result["outcomes"], result["connected"]) == (["fetch_failed"] * len(SOUND), [])
    assert set(result["looked_up"]) == FETCHABLE_HOSTS


@pytest.mark.parametrize("obeys_robots", [True, False])
def test_it_connects_only_to_the_address_that_it_checked_when_a_name_changes(obeys_robots):
    result = imported([SOUND[0]], [PUBLIC], ["127.0.0.1"], obeys_robots=obeys_robots)
    assert result["outcomes"] == ["fetch_failed"]
    assert result["connected"] == [[PUBLIC, 443]]
    # Without its robots.txt nothing more is asked; else the name is looked up for a second request, which is not made.
    assert result["looked_up"] == ["chatgpt.com"] * (1 if obeys_robots else 2)
