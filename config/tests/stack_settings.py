"""Settings of the test suite's own processes: the real ones, and a tool that needs approval."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "config.tests.bell.BellConfig"]
