"""Traces and spans to log, and a server to log them through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState
from mlflow.entities.span import create_mlflow_span
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan

NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="session")
def a_trace() -> Callable[..., TraceInfo]:
    """Make a trace as a client knows it when it ends."""

    def make(experiment_id: str = "0", trace_id: str | None = None, **fields: Any) -> TraceInfo:
        defaults = {"request_time": NOW_MS, "execution_duration": 100, "state": TraceState.OK}
        return TraceInfo(
            trace_id=trace_id or f"tr-{uuid.uuid4().hex}",
            trace_location=TraceLocation.from_experiment_id(experiment_id),
            **{**defaults, **fields},
        )

    return make


@pytest.fixture(scope="session")
def a_span() -> Callable[..., Span]:
    """Make a span."""

    def make(
        trace_id: str,
        number: int = 1,
        parent: int | None = None,
        name: str = "root",
        kind: str = "CHAIN",
        start_ms: int = NOW_MS,
        end_ms: int | None = NOW_MS + 10,
        failed: bool = False,
        **attributes: Any,
    ) -> Span:
        def context(span_id: int) -> otel.SpanContext:
            flags = otel.TraceFlags(otel.TraceFlags.SAMPLED)
            return otel.SpanContext(int(trace_id[3:], 16), span_id, is_remote=False, trace_flags=flags)

        values = {"mlflow.traceRequestId": trace_id, "mlflow.spanType": kind, **attributes}
        read = ReadableSpan(
            name=name,
            context=context(number),
            parent=context(parent) if parent is not None else None,
            attributes={key: json.dumps(value) for key, value in values.items()},
            start_time=start_ms * 1_000_000,
            end_time=end_ms * 1_000_000 if end_ms is not None else None,
            status=otel.Status(otel.StatusCode.ERROR if failed else otel.StatusCode.OK),
        )
        return create_mlflow_span(read, trace_id, kind)

    return make


@pytest.fixture
def server(mongo_uri: str, tmp_path) -> Iterator[str]:
    """An `mlflow server` on the database, as its own process; its URL."""
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", mongo_uri, "--port", str(port)]
    command += ["--default-artifact-root", str(tmp_path / "artifacts"), "--workers", "1"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail("the server did not answer")
