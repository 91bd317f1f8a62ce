"""Chromium, for tests of pages as a person uses them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip
# The first is Chromium without what only a window needs: the tests of the page take a third less CPU with it.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@contextmanager
def launched() -> Iterator[Browser]:
    """Skips the test where there is none, and fails it where `REQUIRE_CHROMIUM=1` says that there has to be one."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = "The page is not tested: there is no Chromium here."
        if os.environ.get("REQUIRE_CHROMIUM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # to Django, Playwright's loop seems to be ours
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
        connections.close_all()  # for the same reason, those that tests used here are not those of other tests
