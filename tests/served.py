"""A server of ``fw serve`` for tests: a process of its own, asked over a real socket."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess

import requests


class Served:
    """A server that runs."""

    def __init__(self, process, said):
        self.process = process
        self.said = said
        self.url = said["listening"]

    def post(self, path, **body):
        return requests.post(self.url + path, timeout=60, **body)

    def predict(self, *files):
        answer = self.post("/predict", files=[("file", (path.name, path.read_bytes())) for path in files])
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"]

    def connect(self):
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return socket.create_connection((host, int(port)), timeout=30)


@contextlib.contextmanager
def serving(command, *words, folder, **environment):
    """``fw serve`` from the first line that it says to the last."""
    process = subprocess.Popen(
        [command, "serve", *map(str, words), "--port", "0"],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = {}
    try:
        for line in process.stdout:
            name, _, value = line.strip().partition(" ")
            said[name] = value.strip()
            if name in ("ask", "look") and ("ask" in said or said["reads"].startswith("prepared")):
                break
        assert "listening" in said, process.stderr.read()
        yield Served(process, said)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.stdout.close()
        process.stderr.close()
