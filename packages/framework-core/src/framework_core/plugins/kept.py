"""Answers about what is installed, kept between commands so that the next one imports neither pydantic nor a plugin.

A kept answer holds as long as nothing was installed, removed or upgraded (the folders of ``sys.path`` say so by
their time) and no plugin that is run from its source was edited. While a plugin is broken nothing is kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from framework_core import __version__
from framework_core.cache import cache_folder

FORMAT = 2


def kept(name: str, make: Callable[[], Any], *, folders: Callable[[], Iterable[str]] = tuple) -> Any:
    """The answer to a question about what is installed.

    Args:
        name: The question, a word.
        make: Finds the answer, as JSON takes it.
        folders: Folders that the answer depends on beside the modules that were imported for it.
    """
    path = cache_folder() / name / f"{_environment()}.json"
    content = _read(path)
    if content is not None:
        return content
    made = make()
    if _all_plugins_answered():
        sources = {*filter(None, map(_source, list(sys.modules))), *folders()}
        _write(path, {"format": FORMAT, "sources": {file: _mark(file) for file in sorted(sources)}, "content": made})
    return made


def _all_plugins_answered() -> bool:
    from framework_core.plugins.registry import registry

    return all(plugin.state != "broken" for plugin in registry.plugins.found)


def _environment() -> str:
    """What tells this installation from every other, and from itself after a change."""
    from framework_core.plugins.switches import state

    folders = [[folder, _mark(folder)] for folder in sys.path if folder and Path(folder).is_dir()]
    facts = [FORMAT, __version__, sys.version, sys.prefix, state(), folders]
    return sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _read(path: Path) -> Any:
    try:
        found = json.loads(path.read_text("utf-8"))
        edited = any(_mark(file) != mark for file, mark in found["sources"].items())
        content = found["content"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if edited else content


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
