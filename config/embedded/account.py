"""Which system account runs the servers, and how it reaches what it needs.

An ordinary user's servers run as that user. PostgreSQL refuses to run as root, so root's run as an unprivileged
account, which may not be able to enter the folders above a clone or a `DATA_DIR` (a home of mode 0700). No folder above
is ever opened up for it: programs are copied to where it can run them, data folders are handed over as descriptors.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

from config.exceptions import Unavailable

CACHE = Path("/var/cache/draftloom")


class Account(NamedTuple):
    uid: int
    gid: int

    @property
    def is_another(self) -> bool:
        return self.uid != os.getuid()

    def popen_options(self) -> dict[str, Any]:
        """What makes `subprocess` start a process as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_another else {}


def account_for(data: Path) -> Account:
    """Who runs the servers: root gives way to the owner of the `data` there is, else to `postgres` or `nobody`."""
    if os.getuid() != 0:
        return Account(os.getuid(), os.getgid())
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return Account(entry.pw_uid, entry.pw_gid)


def make_private_dir(path: Path, account: Account) -> None:
    """Makes `path`, under a folder that anybody may write to, a directory of `account` alone.

    Raises `Unavailable` if somebody else was there first.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise _taken(path) from error
    try:
        if os.fstat(descriptor).st_uid not in {os.getuid(), account.uid}:
            raise _taken(path)
        if account.is_another:
            os.fchown(descriptor, account.uid, account.gid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _taken(path: Path) -> Unavailable:
    return Unavailable(f"{path} is not a directory of this user. Remove it, then try again.", code="socket_dir_taken")


def program(package: str, pattern: str, folders: tuple[str, ...], account: Account) -> Path:
    """The file that matches `pattern` in `folders` of the installed `package`, in a place where `account` can run it.

    Where `account` cannot, root copies `folders` (with the libraries beside the program) to `CACHE`, once per version.
    """
    installed = distribution(package)
    here = Path(str(installed.locate_file("")))
    original = next(here.glob(pattern))
    if not account.is_another or _runs(original, account):
        return original
    copy = CACHE / f"{package}-{installed.version}"
    if not copy.exists():
        _copy(here, folders, copy)
    return copy / original.relative_to(here)


def _runs(file: Path, account: Account) -> bool:
    command = [str(file), "--version"]
    quiet = subprocess.DEVNULL
    try:
        return subprocess.run(command, stdout=quiet, stderr=quiet, cwd="/", **account.popen_options()).returncode == 0
    except PermissionError:
        return False


def _copy(source: Path, folders: tuple[str, ...], target: Path) -> None:
    """All or nothing: two at once make one copy, and a copy cut short is not found under the final name."""
    CACHE.mkdir(mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as draft:
        for folder in folders:
            if (source / folder).is_dir():
                shutil.copytree(source / folder, Path(draft) / "files" / folder)
        for path in [Path(draft) / "files", *(Path(draft) / "files").rglob("*")]:
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            (Path(draft) / "files").rename(target)
        except OSError:
            if not target.is_dir():
                raise
