"""Models that cannot be exported or served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExportError(RequestError):
    """A model that cannot be written in a format.

    Args:
        cause: What stands in the way.
        model: The model.
        format: The format.
        others: Every format.

    Example::

        $ fw export forked --to onnx -o forked-onnx
        error: The model 'forked.py:Net' cannot be exported to onnx: what it gives is no tensor: dict.
          Other formats: torch-export, safetensors, mlflow
          Try another: fw export RUN --to mlflow -o FOLDER
    """

    def __init__(self, cause: str, *, model: str = "", format: str = "", others: Sequence[str] = ()) -> None:
        self.cause = cause
        self.model = model
        self.format = format
        self.others = tuple(others)
        what = f"The model {model!r} cannot be exported to {format}: {cause}." if model else f"{cause}."
        possible = [name for name in others if name != format]
        super().__init__(
            what,
            possible=f"Other formats: {', '.join(possible)}" if possible else "",
            next_step=f"Try another: fw export RUN --to {(possible or ['FORMAT'])[-1]} -o FOLDER",
        )

    def of(self, model: str, format: str, others: Sequence[str]) -> ExportError:
        """The same, with the model and the format that it is about."""
        return ExportError(self.cause, model=model, format=format, others=others)


class ServeError(RequestError):
    """A model that cannot answer requests.

    Args:
        subject: What was named.
        cause: What is wrong with it.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw serve empty
        error: empty cannot be served: it has no export.json.
          What is served: a run, or the folder of an exported model.
          Write one: fw export RUN --to onnx -o FOLDER
    """

    def __init__(self, subject: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.subject = subject
        self.cause = cause
        super().__init__(
            f"{subject} cannot be served: {cause}.",
            possible=possible or "What is served: a run, or the folder of an exported model.",
            next_step=next_step or "Write one: fw export RUN --to onnx -o FOLDER",
        )


class PortTakenError(RequestError):
    """A port that another program serves.

    Args:
        port: The port.
        command: The command that was to serve there.

    Example::

        $ fw ui --port 5000
        error: Port 5000 is taken.
          Every other port from 1 to 65535 is possible.
          Choose another: fw ui --port 5001
    """

    def __init__(self, port: int, command: str = "fw ui") -> None:
        self.port = port
        self.command = command
        super().__init__(
            f"Port {port} is taken.",
            possible="Every other port from 1 to 65535 is possible.",
            next_step=f"Choose another: {command} --port {port % 65535 + 1}",
        )
