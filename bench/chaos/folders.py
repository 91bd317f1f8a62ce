"""A folder for the time of a run, whose logs stay if something was wrong."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def in_own_folder(name: str, work: Callable[[Path], bool]) -> int:
    """The exit code: 0 if `work` says that all was well. Otherwise, and if it raises, the folder stays and is named."""
    folder = Path(tempfile.mkdtemp(prefix=f"draftloom-{name}-"))
    is_well = False
    try:
        is_well = work(folder)
    finally:
        if is_well:
            shutil.rmtree(folder)
        else:
            print(f"The logs are in {folder / 'log'}")
    return 0 if is_well else 1
