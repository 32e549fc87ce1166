"""MLflow's own page on the runs."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from framework_core.contracts.config import TrackingConfig
from framework_core.errors import MissingPackageError, PortTakenError, TrackingError
from framework_core.tracking.store import SQLITE, check_store, shown_uri, tracking_uri


def serve(uri: str, *, host: str, port: int) -> None:
    """Serve MLflow's page until Ctrl-C.

    Args:
        uri: The store; empty takes the default.
        host: The address to serve it on.
        port: The port.

    Raises:
        MissingPackageError: MLflow is not installed.
        TrackingError: There are no runs yet, or the store is a server already.
        PortTakenError: The port is taken.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise MissingPackageError("mlflow", needed_for="fw ui", requirement="framework-core[train]")
    store = tracking_uri(TrackingConfig(uri=uri or None))
    if store.startswith(("http://", "https://")):
        raise TrackingError(
            shown_uri(store),
            "it is a server, with a page of its own.",
            next_step=f"Open that in a browser: {shown_uri(store)}",
        )
    path = Path(store.removeprefix(SQLITE))
    if store.startswith(SQLITE) and not path.is_file():
        raise TrackingError(shown_uri(store), "it holds no runs yet.", next_step="Start one: fw train --model NAME")
    check_store(store)
    if _answers(host, port):
        raise PortTakenError(port)
    with tempfile.TemporaryFile() as log:
        server = _start(store, host, port, log)
        try:
            _wait_until_it_answers(server, host, port, log)
            address = f"http://{host}:{port}"
            print(
                f"MLflow on {shown_uri(store)}: {address}  (Ctrl-C ends it)",
                file=sys.stderr,
                flush=True,
            )
            server.wait()
        except KeyboardInterrupt:
            return
        finally:
            server.terminate()
            server.wait()


def _start(store: str, host: str, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # Ended from outside, Python would leave the server behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += [
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
        "--uvicorn-opts",
        "--log-level=warning",
    ]
    quiet = {"MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore", "MLFLOW_TRACKING_URI": store}
    return subprocess.Popen(command, env={**os.environ, **quiet}, stdout=log, stderr=log)


def _wait_until_it_answers(server: subprocess.Popen[bytes], host: str, port: int, log: IO[bytes]) -> None:
    """Wait for the page.

    Raises:
        TrackingError: The server ended instead.
    """
    while not _answers(host, port):
        if server.poll() is not None:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise TrackingError("of MLflow's page", said[-1] if said else "its server ended at once.")
        time.sleep(0.2)


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
