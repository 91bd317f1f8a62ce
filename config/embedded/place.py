"""Where the servers of one `DATA_DIR` keep things, and the account that runs them."""

import os
from pathlib import Path

from config import env
from config.embedded.account import account_for, make_private_dir

LOG_BYTES = 4 * 1024 * 1024


class Place:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.sockets = env.socket_dir(data_dir)
        self.account = account_for(data_dir / "postgres")

    def make(self) -> None:
        """Raises `Unavailable` if the socket directory is somebody else's."""
        (self.data_dir / "log").mkdir(mode=0o700, exist_ok=True)
        make_private_dir(self.sockets, self.account)

    def make_folder(self, name: str) -> Path:
        """The folder `name` of `data_dir`, which belongs to the account alone."""
        folder = self.data_dir / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def lock(self, name: str) -> Path:
        return self.data_dir / f"{name}.lock"

    def log(self, name: str) -> Path:
        """The log file; the one before is kept as `.1` once the file has grown beyond `LOG_BYTES`."""
        path = self.data_dir / "log" / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def wanted(self, name: str) -> Path:
        """A file that is there while somebody who uses this `DATA_DIR` needs the server `name`."""
        return self.data_dir / f"{name}.wanted"
