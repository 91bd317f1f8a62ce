"""A server that speaks S3 (moto's, in a process of its own), with one bucket."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any, Self

import httpx2

from config.local import die_with_parent

BUCKET = "draftloom-test"
START_SECONDS = 30


class FakeS3:
    """`settings` is what an installation with this bucket sets."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.settings = {
            "AWS_S3_BUCKET_NAME": BUCKET,
            "AWS_REGION": "eu-central-1",
            "AWS_S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-nobody",
        }
        environment = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline and self._process.poll() is None, "moto's server does not start"
            time.sleep(0.1)
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait(10)

    def empty(self) -> None:
        """An empty bucket, which lets nobody in without a signature."""
        assert httpx2.post(f"{self.url}/moto-api/reset", trust_env=False).status_code == 200
        assert httpx2.put(f"{self.url}/{BUCKET}", trust_env=False).status_code == 200

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/moto-api/", timeout=2, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False
