"""What local mode needs: a secret of its own, and processes that end with the one that started them."""

import ctypes
import os
import secrets
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)  # loaded here: nothing may be loaded between fork and exec


def secret_key(data_dir: Path) -> str:
    """The installation's own secret, made once. Two processes that start together agree on one."""
    path = data_dir / "secret_key"
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def die_with_parent(parent: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """From now on the kernel sends this process `with_signal` when `parent`, its parent's process id, is gone.

    Fit for `preexec_fn`. It is the parent's *thread* that counts, so start such processes from the main thread. Forks
    do not inherit it. Only Linux has it; elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    if _libc.prctl(_PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it went before we asked to be told
        os.kill(os.getpid(), with_signal)


class Backoff:
    """Pauses before starts of one process: 0.2 s, then twice the last, up to 5 s; 0.2 s again after 10 s of life."""

    _FIRST, _LONGEST, _STABLE = 0.2, 5.0, 10.0

    def __init__(self) -> None:
        self._next = self._FIRST

    def pause(self, lived: float) -> float:
        """Seconds to wait before the process, which lived for `lived` seconds, is started again."""
        pause = self._FIRST if lived >= self._STABLE else self._next
        self._next = min(2 * pause, self._LONGEST)
        return pause
