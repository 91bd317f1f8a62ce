"""Settings of a runner of the tests that waits for Mem0 for half a second only."""

from config.tests.stack_settings import *  # noqa: F403
from integrations import mem0

mem0.READ_SECONDS, mem0.SECONDS = 0.2, 0.5
