"""The command ``fw export``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import typer


class Format(str, Enum):
    """What a model can be exported to."""

    onnx = "onnx"
    torch_export = "torch-export"
    safetensors = "safetensors"
    mlflow = "mlflow"
    docker = "docker"
    kserve = "kserve"


def export(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings: dataset.path=other/data."),
    to: Format = typer.Option(..., "--to", help="onnx, torch-export, safetensors, mlflow; docker or kserve."),
    output: Path = typer.Option(..., "--output", "-o", help="The folder to write."),
    image: str = typer.Option("", "--image", help="The name of the image, for docker and kserve."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Export a trained model to files that other programs run, and see that they answer as it does."""
    from framework_core.cli.screen import print_facts, print_json
    from framework_core.cli.training import training_library

    training_library("fw export")
    from framework_core.deployment.export import IMAGES
    from framework_core.deployment.export import export as write

    if image and to.value not in IMAGES:
        from framework_core.errors import ConflictingOptionsError

        raise ConflictingOptionsError("fw export", ["--image", f"--to {to.value}"], "a model alone has no image.")
    done = write(run, to.value, output, overrides=overrides or [], image=image)
    if as_json:
        print_json({**vars(done), "directory": str(done.directory)})
        return
    samples = f"{done.samples} samples" if done.source == "made up" else f"{done.samples} samples of {done.source}"
    print_facts(
        [
            ("folder", str(done.directory)),
            ("written", ", ".join(sorted(path.name for path in done.directory.iterdir()))),
            ("compared", f"{samples}{', made up' if done.source == 'made up' else ''}, {done.difference:.1e} apart"),
            ("from files", f"{done.files} files of test answered as the model does" if done.files else ""),
        ]
    )
