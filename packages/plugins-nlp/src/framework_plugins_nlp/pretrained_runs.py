"""Runs of this framework as checkpoints that others begin with."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from framework_core.cache import cache_folder
from framework_core.errors import ContractError

RECORD, DATA = "run.json", "data.json"
"""What tells that a folder is a run's."""


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run."""
    return (folder / RECORD).is_file() and (folder / DATA).is_file()


def tokenizer_of_run(folder: Path) -> str | None:
    """What a run kept of its tokenizer; nothing where the folder is no run's."""
    if not is_run(folder):
        return None
    found = json.loads((folder / DATA).read_text("utf-8"))["facts"].get("tokenizer")
    if not isinstance(found, str):
        raise ContractError(f"The run {folder} is no model of text", ["it has kept no tokenizer"])
    return found


def loaded(folder: Path) -> Any:
    """The model of a run with its best weights.

    Raises:
        RunNotFoundError: The run has no checkpoint.
    """
    from framework_core.trained import trained

    return trained(str(folder), output_dir=folder.parent).model


def as_checkpoint(folder: Path) -> Path:
    """A run's network of transformers in the form that transformers reads, made once and kept in the user's cache.

    Raises:
        ContractError: The run has no such network.
    """
    place = cache_folder() / "checkpoints" / _key(folder)
    if not place.is_dir():
        network = getattr(loaded(folder).model, "network", None)
        if network is None or not hasattr(network, "save_pretrained"):
            raise ContractError(
                f"The run {folder} is no checkpoint for this model",
                ["its network is not one of transformers"],
                next_step="A run of transformer_mlm, transformer_lm or transformer_classifier is.",
            )
        _write(network, tokenizer_of_run(folder) or "", place)
    return place


def _write(network: Any, tokenizer: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=place.parent))
    try:
        # What LoRA learned becomes part of the weights.
        whole = network.merge_and_unload() if hasattr(network, "merge_and_unload") else network
        whole.save_pretrained(new)
        (new / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
        if not place.is_dir():
            new.replace(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _key(folder: Path) -> str:
    """That of the run and the state it is in: it may be trained on."""
    found = sorted(path for path in (folder / "checkpoints").rglob("*") if path.is_file())
    facts = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in found]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
