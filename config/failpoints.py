"""Named places at which a process may be made to die, to show that nothing is lost wherever it happens."""

import logging
import os
import random
import signal

from django.conf import settings

log = logging.getLogger(__name__)


def failpoint(name: str) -> None:
    """Kills this process if `FAILPOINTS` gives `name` a chance and the dice say so; does nothing otherwise.

    As with a power cut, nothing is closed, flushed or told. Only local mode allows it (`config.checks`).
    """
    chance = settings.FAILPOINTS.get(name)
    if chance and random.random() < chance:
        log.warning("Fail-point %s", name)
        os.kill(os.getpid(), signal.SIGKILL)
