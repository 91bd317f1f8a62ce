"""Locks on files (flock). Whoever has the open file, a child that inherited it included, holds the lock."""

import fcntl
import os
from pathlib import Path


def open_lock(path: Path) -> int:
    """A file descriptor to lock; closing the last copy of it releases the lock."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_exclusive(lock: int) -> bool:
    return _try(lock, fcntl.LOCK_EX)


def try_shared(lock: int) -> bool:
    return _try(lock, fcntl.LOCK_SH)


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
