"""timm's architectures, read without importing timm.

The file ``timm_catalogue.json`` was made from the timm version it names. Where another version is installed, its
source is scanned once and the answer kept in the user's cache; where none is installed, the file answers alone.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from framework_core.cache import cache_folder

_REGISTERED = re.compile(r"^@register_model\s*\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)


class Architecture(NamedTuple):
    """What is known of one architecture."""

    name: str
    family: str
    """The module of timm that defines it."""

    weights: tuple[str, ...] = ()
    """The names of its pretrained weights, timm's default first."""

    parameters: int | None = None
    """With its own number of classes, usually 1,000."""

    input_size: tuple[int, ...] = ()
    """The channels, height and width it was made for."""

    licence: str = ""
    """The licence of its default weights."""

    paper: str = ""
    """Where it or its weights were published."""

    @property
    def summary(self) -> str:
        """One line for people."""
        facts = [self.family.replace("_", " ")]
        if self.parameters is not None:
            facts.append(f"{self.parameters / 1e6:.1f} M parameters")
        if self.input_size:
            facts.append(f"made for {'x'.join(str(size) for size in self.input_size[1:])}")
        if self.weights:
            facts.append("pretrained")
        return ", ".join(facts)


def architectures() -> list[Architecture]:
    """Every architecture of the installed timm, by name."""
    shipped = json.loads(files("framework_plugins_vision").joinpath("timm_catalogue.json").read_text("utf-8"))
    try:
        installed = distribution("timm")
    except PackageNotFoundError:
        return _from_rows(shipped["architectures"])
    if installed.version == shipped["timm"]:
        return _from_rows(shipped["architectures"])
    known = {row[0]: row for row in shipped["architectures"]}
    folder = Path(str(installed.locate_file("timm/models")))
    return _from_rows(_cached(installed.version, folder, known))


def _from_rows(rows: Iterable[list[Any]]) -> list[Architecture]:
    return [Architecture(row[0], row[1], tuple(row[2]), row[3], tuple(row[4]), row[5], row[6]) for row in rows]


def _cached(version: str, folder: Path, known: dict[str, list[Any]]) -> list[list[Any]]:
    path = cache_folder() / f"timm-{version}.json"
    try:
        rows: list[list[Any]] = json.loads(path.read_text("utf-8"))
        return rows
    except (OSError, ValueError):
        rows = sorted(scan(folder, known))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(rows), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        return rows
    return rows


def scan(folder: Path, known: dict[str, list[Any]]) -> Iterator[list[Any]]:
    """Read timm's source: the registered functions of each module, and the weights it names for them.

    Args:
        folder: timm's folder of models.
        known: Rows of another version, for facts that stand in no source: sizes, and the weights of architectures
            whose names timm computes.
    """
    for path in sorted(folder.glob("*.py")):
        text = path.read_text("utf-8")
        names = _REGISTERED.findall(text)
        if not names:
            continue
        weights = _weights(ast.parse(text))
        for name in names:
            row = known.get(name, [name, path.stem, [], None, [], "", ""])
            yield [name, path.stem, weights.get(name, row[2]), *row[3:]]


def _weights(module: ast.Module) -> dict[str, list[str]]:
    """The tags of each architecture that have weights, from the dictionaries of the module."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(module):
        if not isinstance(node, ast.Dict):
            continue
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and _has_weights(value):
                name, _, tag = key.value.partition(".")
                tags = found.setdefault(name, [])
                tags.insert(0 if tag.endswith("*") else len(tags), tag.rstrip("*"))
    return {name: [tag for tag in tags if tag] for name, tags in found.items()}


def _has_weights(value: ast.expr) -> bool:
    """Whether a call such as ``_cfg(hf_hub_id="timm/")``, or a dictionary, says where weights are."""
    entries: list[tuple[Any, ast.expr]] = []
    if isinstance(value, ast.Call):
        entries = [(keyword.arg, keyword.value) for keyword in value.keywords]
    elif isinstance(value, ast.Dict):
        names = [key.value if isinstance(key, ast.Constant) else None for key in value.keys]
        entries = list(zip(names, value.values, strict=True))
    sources = [each for name, each in entries if name in ("url", "hf_hub_id", "file")]
    return any(not isinstance(source, ast.Constant) or source.value for source in sources)
