"""What can be listed, kept between commands: ``fw list`` answers without importing pydantic or a plugin.

The kept answer holds as long as nothing was installed, removed or upgraded (the folders of ``sys.path`` say so by
their time) and no plugin that is run from its source was edited. While a plugin is broken nothing is kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from framework_core import __version__
from framework_core.cache import cache_folder

Row = dict[str, Any]
"""What is known of a component: the fields of its spec that are not empty, its kind, and who offers it."""

FORMAT = 1


def rows(kind: str) -> list[Row]:
    """The components of a kind, by name."""
    found: list[Row] = everything()[kind]
    return found


def everything() -> dict[str, list[Row]]:
    """The components of every kind, by name."""
    path = cache_folder() / "index" / f"{_environment()}.json"
    kept = _read(path)
    if kept is not None:
        return kept
    before = set(sys.modules)
    found, complete = _asked()
    if complete:
        sources = [file for name in set(sys.modules) - before if (file := _source(name))]
        _write(path, {"format": FORMAT, "sources": {file: _mark(file) for file in sources}, "rows": found})
    return found


def _asked() -> tuple[dict[str, list[Row]], bool]:
    """Ask the plugins; and whether all of them answered."""
    from framework_core.contracts.specs import SPECS
    from framework_core.plugins.registry import registry

    found = {}
    for kind in SPECS:
        offers = registry.catalogue.offers(kind)
        found[kind] = [
            {
                "name": offer.spec.name,
                "kind": kind,
                "distribution": offer.distribution,
                **offer.spec.model_dump(mode="json", exclude_defaults=True, exclude={"name"}),
            }
            for offer in offers
        ]
    return found, all(plugin.state != "broken" for plugin in registry.plugins.found)


def _environment() -> str:
    """What tells this installation from every other, and from itself after a change."""
    from framework_core.plugins.switches import switched_off

    folders = [[folder, _mark(folder)] for folder in sys.path if folder and Path(folder).is_dir()]
    facts = [FORMAT, __version__, sys.version, sys.prefix, sorted(switched_off()), folders]
    return sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _read(path: Path) -> dict[str, list[Row]] | None:
    try:
        kept = json.loads(path.read_text("utf-8"))
        edited = any(_mark(file) != mark for file, mark in kept["sources"].items())
        found: dict[str, list[Row]] = kept["rows"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if edited else found


def _write(path: Path, content: dict[str, Any]) -> None:
    """Keep the answer; where that is not possible the next command asks again."""
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in _outdated(path):
            old.unlink(missing_ok=True)
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        return


def _outdated(path: Path, most: int = 20) -> Iterator[Path]:
    """The oldest answers beyond a few: each installation has one, and each change of it leaves one behind."""
    by_age = sorted(path.parent.glob("*.json"), key=lambda each: each.stat().st_mtime, reverse=True)
    yield from by_age[most:]


def _source(module: str) -> str:
    """The file of a module that may be edited: of one that is neither installed nor part of Python."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file or "site-packages" in file or "dist-packages" in file or file.startswith(sys.base_prefix):
        return ""
    return str(file)


def _mark(path: str) -> list[int]:
    try:
        status = os.stat(path)  # noqa: PTH116  # called for each folder of sys.path at each start
    except OSError:
        return [-1, -1]
    return [status.st_mtime_ns, status.st_size]
