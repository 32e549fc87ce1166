"""The command ``fw ui``."""

from __future__ import annotations

import typer


def ui(
    port: int = typer.Option(5000, "--port", "-p", min=1, max=65535, help="Where to serve it."),
    host: str = typer.Option("127.0.0.1", "--host", help="Which address to serve it on."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: MLFLOW_TRACKING_URI, else mlflow.db here)."),
) -> None:
    """Open MLflow's page on the runs. Ctrl-C ends it."""
    from framework_core.tracking.page import serve

    serve(uri, host=host, port=port)
