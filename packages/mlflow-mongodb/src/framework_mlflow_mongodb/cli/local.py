"""A mongod and the MLflow server in front of it, on this machine, until they are told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import FrameType

from framework_mlflow_mongodb.mongod import LocalMongod

_STOP_SECONDS = 20


def serve(directory: str, host: str, port: int, mongodb_port: int, workers: int) -> int:
    """Run both until SIGINT or SIGTERM; return 0 when they were asked to stop."""
    folder = Path(directory).resolve()
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    mongod = LocalMongod(folder / "mongodb", mongodb_port)
    mongod.start()
    server = None
    try:
        server = _start_server(mongod.uri(), artifacts, host, port, workers)
        while not stop.is_set() and server.poll() is None and not _answers(host, port):
            stop.wait(0.2)
        if server.poll() is None and not stop.is_set():
            _say_where(host, port, mongod.uri(), folder)
        while not stop.wait(0.2):
            if server.poll() is not None:
                print(f"Error: the MLflow server stopped with {server.returncode}.", file=sys.stderr)
                return 1
        return 0
    finally:
        if server is not None:
            _stop(server)
        mongod.stop()


def _answers(host: str, port: int) -> bool:
    """Whether the server is up: whoever is told of its address may use it at once."""
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  # what the server listens on
    try:
        with urllib.request.urlopen(f"http://{here}:{port}/health", timeout=2):  # http, as written
            return True
    except OSError:
        return False


def _say_where(host: str, port: int, uri: str, folder: Path) -> None:
    print(f"MLflow   http://{host}:{port}")
    print(f"MongoDB  {uri}")
    print(f"Data     {folder}    (Ctrl-C stops both)", flush=True)


def _start_server(uri: str, artifacts: Path, host: str, port: int, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", host]
    command += ["--port", str(port), "--workers", str(workers)]
    command += ["--artifacts-destination", artifacts.as_uri(), "--serve-artifacts"]
    # Jobs need a SQL backend; without this the server says so at every start.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # Its log is no result: on stdout stand the addresses alone.
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=sys.stderr)


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
