"""MLflow's own page on the runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from framework_core.config.saved import without_credentials
from framework_core.contracts.config import TrackingConfig
from framework_core.errors import OutputError, RequestError
from framework_core.tracking.store import check_store, tracking_uri


def serve(uri: str, *, host: str, port: int) -> None:
    """Serve MLflow's page until Ctrl-C.

    Args:
        uri: The store; empty takes the default.
        host: The address to serve it on.
        port: The port.

    Raises:
        OutputError: There is no store here yet.
        RequestError: The store is a server already, or the port is taken.
    """
    store = tracking_uri(TrackingConfig(uri=uri or None))
    if store.startswith(("http://", "https://")):
        raise RequestError(f"The store is a server with a page of its own: {without_credentials(store)}")
    path = Path(store.removeprefix("sqlite:///"))
    if store.startswith("sqlite:///") and not path.is_file():
        raise OutputError(path, "there are no runs here yet.", next_step="Start one: fw train --model resnet50")
    check_store(store)
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise RequestError(f"Port {port} is taken.", next_step=f"Choose another: fw ui --port {port + 1}")
    print(f"MLflow on {without_credentials(store)}: http://{host}:{port}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(command, env={**os.environ, "MLFLOW_TRACKING_URI": store}, stdout=subprocess.DEVNULL)
    try:
        server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
