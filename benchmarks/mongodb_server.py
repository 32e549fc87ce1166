"""MLflow's server on MongoDB against its server on SQLite and PostgreSQL, asked over HTTP, interleaved in one run.

    python benchmarks/mongodb_server.py --mongodb mongodb://127.0.0.1:27017/served?replicaSet=rs0 \
        --postgresql postgresql+psycopg2://postgres@127.0.0.1/served

Starts a server of one process on each database and takes every measure through each in turn. The databases are filled,
and must be empty at the start.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from mongodb import SEARCHES, Bench, compare

SECONDS_TO_START = 300


@contextmanager
def server(uri: str, folder: Path) -> Iterator[str]:
    """Serve the database at `uri`; give the server's address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--port", str(port)]
    command += ["--workers", "1", "--default-artifact-root", str(folder)]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310  # an address on loopback
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongodb", required=True)
    parser.add_argument("--postgresql")
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        uris = {"SQLite": f"sqlite:///{folder}/mlflow.db"}
        uris |= {"PostgreSQL": options.postgresql} if options.postgresql else {}
        uris["MongoDB"] = options.mongodb
        benches = {}
        for name, uri in uris.items():
            address = stack.enter_context(server(uri, folder))
            benches[name] = Bench(RestStore(lambda address=address: MlflowHostCreds(address)), options.runs)
        measure(benches, uris, options.runs)


def measure(benches: dict[str, Bench], uris: dict[str, str], runs: int) -> None:
    """Compare the servers."""
    print(f"| milliseconds | {' | '.join(benches)} | times faster |")
    print("|---" * (len(benches) + 2) + "|")
    compare("create_run", benches, Bench.new_run, 50)
    compare("log_batch, 1,000 points", benches, Bench.log_batch, 7)
    compare("log_metric", benches, Bench.log_metric, 100)
    own = {id(bench): [bench.new_run() for _ in range(8)] for bench in benches.values()}
    compare("8 writers, 8 runs, 160 points", benches, lambda bench: bench.writers(own[id(bench)]), 3)
    for name, bench in benches.items():
        fill_past_the_server(uris[name], bench, runs)
    for name, (arguments, rounds) in SEARCHES.items():
        compare(f"{runs:,} runs: {name}", benches, lambda bench, arguments=arguments: bench.search(*arguments), rounds)


def fill_past_the_server(uri: str, bench: Bench, runs: int) -> None:
    """Make runs in the database of a server."""
    from mlflow.tracking._tracking_service.utils import _get_store

    served = bench.store
    bench.store = _get_store(uri)
    bench.fill(runs)
    bench.store = served


if __name__ == "__main__":
    main()
