"""A mongod and the MLflow server in front of it, on this machine, until they are told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from ipaddress import ip_address
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
        while not (_is_well(host, port) or stop.wait(0.2)):
            if server.poll() is not None:
                return _stopped(server)
        print(f"MLflow   http://{host}:{port}", flush=True)
        print(f"MongoDB  {mongod.uri()}", flush=True)
        print(f"Data     {folder}    (Ctrl-C stops both)", flush=True)
        while not stop.wait(0.2):
            if server.poll() is not None:
                return _stopped(server)
        return 0
    finally:
        if server is not None:
            _stop(server)
        mongod.stop()


def _start_server(uri: str, artifacts: Path, host: str, port: int, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", host]
    command += ["--port", str(port), "--workers", str(workers)]
    command += ["--artifacts-destination", artifacts.as_uri(), "--serve-artifacts"]
    # Jobs need a SQL backend; without this the server says so at every start.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # Its log is no result: on stdout stand the addresses alone.
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=sys.stderr)


def _is_well(host: str, port: int) -> bool:
    """Whether the server answers; it takes half a minute to start on a busy machine."""
    try:
        with urllib.request.urlopen(f"http://{_reachable(host)}:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _reachable(host: str) -> str:
    """Return where a server that listens on `host` answers: one that listens everywhere does so on loopback."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    loopback = {4: "127.0.0.1", 6: "::1"}[address.version] if address.is_unspecified else host
    return f"[{loopback}]" if address.version == 6 else loopback


def _stopped(server: subprocess.Popen[bytes]) -> int:
    print(f"Error: the MLflow server stopped with {server.returncode}.", file=sys.stderr)
    return 1


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
