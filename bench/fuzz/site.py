"""The installation that is fuzzed: two web processes, one for each `VISIBILITY`, with a runner, a worker and a fake
outside world in which everything is configured."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Self

import httpx2

from bench.chaos.site import START_SECONDS, Site
from config.env import BASE_DIR
from config.local import die_with_parent

VISIBILITIES = ("private", "workspace")


class FuzzSite(Site):
    """`with FuzzSite(folder) as site`: everything runs, `site.urls` answer, in the order of `VISIBILITIES`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = self.folder / "log" / "fuzz.log"
        self.urls: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._start_processes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        super().__exit__()

    def environment(self, *, failpoints: bool = False) -> dict[str, str]:
        from integrations.tests.fake_linear import KEY, TEAM_KEY

        limits = dict.fromkeys(("LIMIT_SENDS", "LIMIT_IMPORTS", "LIMIT_UPLOADS", "LIMIT_SIGN_INS"), "1000000/m")
        return super().environment() | limits | {
            "GOOGLE_CLIENT_ID": "fuzz",
            "GOOGLE_CLIENT_SECRET": "fuzz",
            "LINEAR_ACCESS_KEY": KEY,
            "LINEAR_TEAM_KEY": TEAM_KEY,
            "LINEAR_API_URL": f"{self.around.addresses.share_url}/graphql",
            "EMBEDDING_MODEL": "offline",
            "RUN_LEASE_SECONDS": "8",
        }  # fmt: skip

    @property
    def are_alive(self) -> bool:
        return all(process.poll() is None for process in self._processes)

    def _start_processes(self) -> None:
        from config.tests.stack import BULK, RUNNER, UVICORN, WORKER, free_port

        for visibility in VISIBILITIES:
            port = free_port()
            self.urls.append(f"http://127.0.0.1:{port}")
            self._run([*UVICORN, str(port)], VISIBILITY=visibility)
        self._run(RUNNER)
        self._run(BULK)
        self._run(WORKER)
        limit = time.monotonic() + START_SECONDS
        while not all(map(_answers, self.urls)):
            if time.monotonic() > limit or not self.are_alive:
                raise TimeoutError(f"The processes do not start; {self.log} says why.")
            time.sleep(0.1)

    def _run(self, arguments: list[str], **more: str) -> None:
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=BASE_DIR,
                env=os.environ | self.environment() | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        self._processes.append(process)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False
