"""Checkpoints on disk: which there are, whether they are whole, which is the newest. Needs no torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

WEIGHTS = "weights.safetensors"
STATE = "state.pt"
FACTS = "checkpoint.json"

LAST = "last.ckpt"
EARLIER = "last-step{step}.ckpt"
WRITING, REPLACED, DELETING = ".writing", ".replaced", ".deleting"
"""Endings of folders that are no checkpoints, not yet or no more; their names begin with a dot."""


@dataclass(frozen=True)
class Facts:
    """What a checkpoint says of itself; written when everything else is on disk."""

    epoch: int
    """Whole epochs behind it."""

    batch: int
    """Batches of the next epoch behind it."""

    global_step: int
    """Optimizer steps behind it."""

    written: float
    """When, in seconds since 1970."""

    files: dict[str, list[int | str]]
    """The size and SHA-256 of each file."""

    format: int = 1

    def write(self, folder: Path) -> None:
        """Write them, down to the disk."""
        with (folder / FACTS).open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Facts | None:
        """Read them; nothing where there are none."""
        try:
            return cls(**json.loads((folder / FACTS).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            found.update(block)
    return found.hexdigest()


def damage(path: Path, *, thoroughly: bool = True, only: str = "") -> str:
    """What is wrong with a checkpoint; empty where it is whole.

    Args:
        path: The checkpoint. Files, and folders that a strategy wrote in its own form, are not looked into.
        thoroughly: Whether every byte is looked at, and not only the sizes.
        only: The one file that matters.
    """
    if not path.is_dir():
        return "" if path.is_file() and path.stat().st_size else "it is empty" if path.exists() else "it is not there"
    facts = Facts.read(path)
    if facts is None:
        ours = any((path / name).exists() for name in (FACTS, WEIGHTS, STATE))
        return f"its {FACTS} cannot be read" if ours or not any(path.iterdir()) else ""
    for name, (size, sha256) in facts.files.items():
        if only and name != only:
            continue
        file = path / name
        found = file.stat().st_size if file.exists() else None
        if found is None:
            return f"{name} is missing"
        if found != size:
            return f"{name} has {found:,} of {size:,} bytes"
        if thoroughly and digest(file) != sha256:
            return f"the content of {name} is not what was written"
    return ""


def newest_first(folder: Path) -> list[Path]:
    """Every checkpoint that a run can go on from, whole or not."""
    found = []
    for path in folder.glob("*.ckpt"):
        facts = Facts.read(path) if path.is_dir() else None
        if facts is not None:
            found.append((facts.written, path))
        elif path.name == LAST:
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found, reverse=True)]


def newest(folder: Path, *, thoroughly: bool = False) -> tuple[Path | None, dict[Path, str]]:
    """The newest checkpoint that is whole.

    Returns:
        It, and what is wrong with each newer one.
    """
    damaged: dict[Path, str] = {}
    for path in newest_first(folder):
        if not (wrong := damage(path, thoroughly=thoroughly)):
            return path, damaged
        damaged[path] = wrong
    return None, damaged


def publish(written: Path, path: Path, *, keep_last: int, keep_hours: float | None) -> None:
    """Give a checkpoint that is complete its name. The one before is there until it has it.

    Args:
        written: Its folder, under another name.
        path: The name it gets.
        keep_last: How many of the newest are kept, where it is the newest.
        keep_hours: How long others are kept besides.
    """
    aside = hidden(path, REPLACED)
    if path.exists():
        before = Facts.read(path) if path.name == LAST and path.is_dir() else None
        if before is not None and not damage(path, thoroughly=False):
            aside = path.with_name(EARLIER.format(step=before.global_step))
            remove(aside)
        path.rename(aside)
    written.rename(path)
    sync(path.parent)
    remove(hidden(path, REPLACED))
    if path.name == LAST:
        for each in _too_old(path, keep_last, keep_hours):
            remove(each)


def _too_old(path: Path, keep_last: int, keep_hours: float | None) -> Iterator[Path]:
    now = Facts.read(path)
    found = [
        (facts.written, each) for each in path.parent.glob(EARLIER.format(step="*")) if (facts := Facts.read(each))
    ]
    for written, each in sorted(found, reverse=True)[keep_last - 1 :]:
        if keep_hours is None or now is None or now.written - written > keep_hours * 3600:
            yield each


def remove(path: Path) -> None:
    """Delete a checkpoint: it is gone at once, and not file by file."""
    if path.is_dir() and not path.is_symlink():
        gone = path if path.name.endswith(DELETING) else hidden(path, DELETING)
        if gone != path:
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def clean(folder: Path) -> None:
    """Take away what a writer that was killed has left; called when no other writes."""
    for path in folder.glob(f".*{REPLACED}"):
        original = path.with_name(path.name[1 : -len(REPLACED)])
        if not original.exists():
            path.rename(original)
    for ending in (WRITING, REPLACED, DELETING):
        for path in folder.glob(f".*{ending}"):
            remove(path) if ending == REPLACED else shutil.rmtree(path, ignore_errors=True)


def hidden(path: Path, ending: str) -> Path:
    """The name of a folder beside a checkpoint that is none."""
    return path.with_name(f".{path.name}{ending}")


def sync(folder: Path) -> None:
    """Let the names in a folder reach the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
