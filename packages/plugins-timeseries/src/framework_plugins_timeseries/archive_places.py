"""Where the training and the test part of a problem of the UCR and UEA archives are."""

from __future__ import annotations

from pathlib import Path

from framework_core import DataError
from framework_core.errors import near_names, quoted
from framework_plugins_timeseries.labelled_files import SUFFIXES

TRAIN, TEST = "_TRAIN", "_TEST"


def parts_of(path: Path, problem: str | None) -> tuple[Path, Path | None]:
    """The file to train on, and that to test on, where there is one.

    Args:
        path: A file; the folder of a problem; or the folder of an archive, whose problem is named.
        problem: The name of a problem: ``GunPoint``.

    Raises:
        DataError: There is no such file, folder or problem.
    """
    if not path.exists():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = near_names(path.name, beside)
        raise DataError(
            f"There is no file or folder {path}.",
            paths=[path],
            possible=f"Near it: {', '.join(str(path.parent / name) for name in near)}." if near else "",
            next_step=f"See what is here: ls {quoted(str(path.parent))}",
        )
    if path.is_dir():
        path = _training_file(path, problem)
    elif problem is not None:
        raise DataError(
            f"{path} is a file, so there is no problem {problem!r} to look for in it.",
            paths=[path],
            next_step="Leave dataset.problem out, or name the folder that the problem is in: dataset.path=FOLDER",
        )
    return path, _test_file(path)


def _training_file(folder: Path, problem: str | None) -> Path:
    """That of the problem in its own folder, or in the archive's."""
    if problem is not None:
        folder = folder / problem if (folder / problem).is_dir() else folder
    found = [each for each in sorted(folder.iterdir()) if _is_training(each)]
    named = [each for each in found if problem is None or each.stem.removesuffix(TRAIN).lower() == problem.lower()]
    if not named:
        raise _nothing(folder, problem, found)
    by_kind = sorted(named, key=lambda each: SUFFIXES.index(each.suffix.lower()))
    problems = sorted({each.stem for each in named})
    if len(problems) > 1:
        names = ", ".join(each.removesuffix(TRAIN) for each in problems[:12])
        raise DataError(
            f"{folder} holds {len(problems)} problems.",
            paths=[folder],
            possible=f"They are {names}.",
            next_step=f"Name one: dataset.problem={problems[0].removesuffix(TRAIN)}",
        )
    return by_kind[0]


def _nothing(folder: Path, problem: str | None, found: list[Path]) -> DataError:
    if problem is None:
        return DataError(
            f"There is no training file in {folder}.",
            paths=[folder],
            possible=f"It is called NAME{TRAIN} and ends with {', '.join(SUFFIXES)}.",
            next_step="Where the folder is that of an archive, name a problem: dataset.problem=NAME",
        )
    there = {each.stem.removesuffix(TRAIN) for each in found} | {
        each.name for each in folder.iterdir() if each.is_dir()
    }
    near = near_names(problem, sorted(there))
    return DataError(
        f"There is no problem {problem!r} in {folder}.",
        paths=[folder],
        possible=f"Near it: {', '.join(near)}." if near else f"It has {', '.join(sorted(there)[:12]) or 'none'}.",
        next_step=f"See what is here: ls {quoted(str(folder))}",
    )


def _is_training(path: Path) -> bool:
    return path.stem.upper().endswith(TRAIN) and path.suffix.lower() in SUFFIXES


def _test_file(training: Path) -> Path | None:
    if not _is_training(training):
        return None
    beside = training.with_name(training.stem[: -len(TRAIN)] + TEST + training.suffix)
    return beside if beside.is_file() else None
