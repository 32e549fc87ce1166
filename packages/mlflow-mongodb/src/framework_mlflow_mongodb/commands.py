"""The command ``fw tracking``, for those who use this package beside framework-core. Only ``fw`` imports it."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(help="The team's tracking server, on MongoDB.", no_args_is_help=True)


@app.callback()
def tracking() -> None:
    """The team's tracking server, on MongoDB."""


@app.command("up")
def up(
    directory: str = typer.Option("mlflow-mongodb", "--directory", help="Where all data is kept."),
    host: str = typer.Option("127.0.0.1", "--host", help="The address of the MLflow server."),
    port: int = typer.Option(5000, "--port", "-p", min=1, max=65535, help="Where the MLflow server listens."),
    mongodb_port: int = typer.Option(27017, "--mongodb-port", min=1, max=65535, help="Where mongod listens."),
    workers: int = typer.Option(2, "--workers", min=1, help="Processes of the MLflow server."),
) -> None:
    """Start a MongoDB with the MLflow server in front, until Ctrl-C."""
    from framework_mlflow_mongodb.cli.app import main

    words = ["local", "--directory", directory, "--host", host, "--port", str(port)]
    sys.exit(main([*words, "--mongodb-port", str(mongodb_port), "--workers", str(workers)]))
