"""The command ``fw serve``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.serving.current import Current, Source
    from framework_core.serving.figures import Figures
    from framework_core.serving.prediction_log import PredictionLog

KEYS = "FW_SERVE_KEYS"
"""The environment variable that holds keys, separated by commas."""

HERE = ("127.0.0.1", "localhost", "::1")


class Runtime(str, Enum):
    """What computes the answers of a run."""

    torch = "torch"
    onnx = "onnx"
    torch_export = "torch-export"


def serve(
    what: str = typer.Argument(
        ..., metavar="FOLDER|RUN", help="An exported model's folder; a run, or 'last'; or a registered NAME@STAGE."
    ),
    runtime: Runtime = typer.Option(
        Runtime.torch, "--runtime", help="What computes: of a run, torch; onnx and torch-export export it first."
    ),
    host: str = typer.Option("127.0.0.1", "--host", help="Where it listens; 0.0.0.0 is every network."),
    port: int = typer.Option(8080, "--port", min=0, max=65535, help="The port; 0 takes a free one."),
    name: str = typer.Option("", "--name", help="What the model is called in addresses."),
    key_file: Path | None = typer.Option(None, "--key-file", help=f"A key a line; else {KEYS}. Without, all may ask."),
    threads: int = typer.Option(0, "--threads", min=0, help="Threads that compute a batch; 0 is one a core."),
    max_batch: int = typer.Option(32, "--max-batch", min=1, help="Inputs that are computed together at most."),
    delay: float = typer.Option(5.0, "--delay", min=0, help="Milliseconds that an input waits for others."),
    max_body: float = typer.Option(20.0, "--max-body", min=0.001, help="Megabytes of a request."),
    max_values: int = typer.Option(50_000_000, "--max-values", min=1, help="Pixels or samples of a decoded file."),
    max_waiting: int = typer.Option(512, "--max-waiting", min=1, help="Requests that are under way at once."),
    timeout: float = typer.Option(30.0, "--timeout", min=0.1, help="Seconds to an answer."),
    grace: int = typer.Option(30, "--grace", min=0, help="Seconds for requests under way when it ends."),
    log: Path | None = typer.Option(None, "--log", help="Note answers: a file, or a folder for predictions.jsonl."),
    log_share: float = typer.Option(1.0, "--log-share", min=0.0, max=1.0, help="The share of answers that is noted."),
    log_fields: str = typer.Option(
        "features,prediction",
        "--log-fields",
        help="What a line holds, of features, prediction, answer, input, file. The last three may be personal.",
    ),
    log_size: float = typer.Option(
        100.0, "--log-size", min=0.001, help="Megabytes of a file; four full ones are kept beside it."
    ),
    reload_every: float = typer.Option(2.0, "--reload-every", min=0, help="Seconds between looks for a newer model."),
) -> None:
    """Let a trained model answer over HTTP."""
    from framework_core.serving.installed import check_installed

    check_installed()
    from framework_core.serving.app import application
    from framework_core.serving.current import Current
    from framework_core.serving.figures import Figures
    from framework_core.serving.limits import MEGABYTE, Limits
    from framework_core.serving.server import listening_socket
    from framework_core.serving.server import serve as answer

    limits = Limits(
        body=int(max_body * MEGABYTE),
        values=max_values,
        seconds=timeout,
        receiving=timeout / 2,
        waiting=max_waiting,
        batch=max_batch,
        delay=delay / 1000,
    )
    keys = _keys(key_file)
    figures = Figures()
    current = Current(_source(what, runtime.value, name, threads, max_batch), figures, reload_every)
    noted = _log_of(log, log_share, log_fields, log_size, figures)
    cores = threads or os.cpu_count() or 1
    app = application(current, figures, limits=limits, keys=keys, threads=cores, log=noted)
    listening = listening_socket(host, port)
    answer(app, listening, silence=limits.receiving, grace=grace, started=_told(current, listening, keys, host))


def _log_of(place: Path | None, share: float, fields: str, size: float, figures: Figures) -> PredictionLog | None:
    """The log of answers, where there is to be one."""
    if place is None:
        return None
    from framework_core.errors import OptionValueError, OutputError
    from framework_core.serving.prediction_log import FIELDS, PredictionLog

    chosen = [name.strip() for name in fields.split(",") if name.strip()]
    for name in chosen or [""]:
        if name not in FIELDS:
            raise OptionValueError("fw serve", "--log-fields", name, known=FIELDS)
    try:
        return PredictionLog(place, share=share, fields=chosen, size=size, left_out=figures.unlogged.inc)
    except OSError as error:
        raise OutputError(place, f"{(error.strerror or str(error)).lower()}.") from error


def _source(what: str, runtime: str, name: str, threads: int, max_batch: int) -> Source:
    """An exported model where the folder is one, and else a run."""
    folder = Path(what)
    if folder.is_dir() and not (folder / "config.yaml").exists():
        from framework_core.serving.folder import FolderSource

        return FolderSource(folder, name=name, threads=threads, max_batch=max_batch)
    from framework_core.cli.training import training_library

    training_library("fw serve with a run")
    from framework_core.deployment.run_source import RunSource

    return RunSource(what, runtime=runtime, name=name, threads=threads, max_batch=max_batch)


def _keys(file: Path | None) -> list[str]:
    """The keys of a file, or of the environment."""
    if file is None:
        return [key for key in os.environ.get(KEYS, "").split(",") if key]
    try:
        keys = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise _without_keys(file, (error.strerror or str(error)).lower()) from error
    except UnicodeDecodeError as error:
        raise _without_keys(file, "it is no text") from error
    if not keys:
        raise _without_keys(file, "there is none in it")
    return keys


def _without_keys(file: Path, why: str) -> Exception:
    from framework_core.errors import ServeError

    next_step = f"Write one: openssl rand -hex 32 > {file}"
    return ServeError(
        "A model", f"the keys in {file} cannot be read: {why}", possible="A key a line.", next_step=next_step
    )


def _told(current: Current, listening: Any, keys: list[str], host: str) -> Callable[[], None]:
    """What is said when the server listens."""

    def tell() -> None:
        from framework_core.cli.screen import note, print_facts

        model = current.model
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{port}"  # noqa: S104
        file = model.suffixes[0] if model.suffixes else ""
        key = " -H 'Authorization: Bearer KEY'" if keys else ""
        example = f"curl{key} -F file=@FILE{file} {address}/predict"
        print_facts(
            [
                ("model", f"{model.name}, version {model.version}, {model.about['format']}"),
                ("task", str(model.about.get("task", ""))),
                ("reads", ", ".join(model.suffixes) or "prepared inputs in JSON"),
                ("listening", address),
                ("look", f"{address}/docs"),
                ("ask", example if file else ""),
            ]
        )
        sys.stdout.flush()
        if not keys and host not in HERE:
            note(f"warning: whoever reaches {host} may ask; keys: --key-file FILE")

    return tell
