"""Importing what is named as text: ``package.module:Name``, ``path/to/file.py:Name``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from framework_core.errors import ImportTargetError, near_names


def import_target(target: str) -> Any:
    """Import ``package.module:Name`` or ``path/to/file.py:Name``.

    Raises:
        ImportTargetError: The file, the module or the name is not there, or importing it failed.
    """
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise ImportTargetError(
            target, "it names no class.", possible="Write path/to/file.py:Class or package.module:Class."
        )
    module = _import_file(target, Path(place)) if place.endswith(".py") else _import_module(target, place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise _no_such_name(target, found, part)
        found = getattr(found, part)
    return found


def _import_file(target: str, path: Path) -> ModuleType:
    if not path.is_file():
        here = sorted(each.name for each in path.parent.glob("*.py")) if path.parent.is_dir() else []
        near = near_names(path.name, here)
        raise ImportTargetError(
            target,
            f"there is no file {path}.",
            possible=f"Near it: {', '.join(str(path.parent / each) for each in near)}." if near else "",
        )
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path.resolve()):
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise ImportTargetError(target, f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[path.stem]
        raise ImportTargetError(target, _where(error, path)) from error
    return module


def _import_module(target: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            cause = f"there is no module {missing!r}."
            raise ImportTargetError(target, cause, next_step=_how_to_find(missing)) from error
        cause = f"it imports {missing!r}, which is not installed."
        raise ImportTargetError(target, cause, next_step=f"Install what provides {missing}.") from error
    except (Exception, SystemExit) as error:
        raise ImportTargetError(target, _where(error, None)) from error


def _no_such_name(target: str, holder: Any, name: str) -> ImportTargetError:
    public = [each for each in vars(holder) if not each.startswith("_")]
    own = [each for each in public if getattr(vars(holder)[each], "__module__", None) == holder.__name__]
    near = near_names(name, public) or own[:5]
    where = target.rpartition(":")[0]
    return ImportTargetError(
        target,
        f"{where} has no {name!r}.",
        possible=f"It has {', '.join(near)}." if near else "",
    )


def _where(error: BaseException, path: Path | None) -> str:
    """The error in one line, with the line of the file where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is not None and Path(frame.filename) == path.resolve()]
    line = f" (line {own[-1].lineno} of {path})" if own else ""
    return f"importing it failed with {type(error).__name__}: {error}{line}"


def _how_to_find(module: str) -> str:
    if Path(f"{module.replace('.', '/')}.py").is_file():
        return f"A file is named with its ending: {module.replace('.', '/')}.py:Class"
    return ""
