"""The command ``fw data``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.download import RemoteFile

app = typer.Typer(help="See, fetch, check and remove the data of datasets in the cache.", no_args_is_help=True)

JSON = typer.Option(False, "--json", help="Print as JSON.")
DATASETS = typer.Argument(None, metavar="[DATASET]...", help="Datasets by name; without one, all that are here.")


@app.command("list")
def list_(as_json: bool = JSON) -> None:
    """What can be fetched and what is here, with its size."""
    from framework_core import data_cache
    from framework_core.cli.screen import note, print_json, print_table

    here = {each.name: each for each in data_cache.held()}
    published = _published()
    rows: list[dict[str, Any]] = []
    for name in sorted({*published, *here}):
        size = sum(file.size or 0 for file in published.get(name, ()))
        rows.append(
            {
                "name": name,
                "state": _state(name, published.get(name)),
                "bytes": here[name].size if name in here else 0,
                "download": size,
                "used": here[name].used if name in here else None,
                "folder": str(data_cache.data_folder() / name),
            }
        )
    if as_json:
        print_json(rows)
        return
    head = ("dataset", "state", "here", "download", "last used")
    print_table([[row["name"], row["state"], *_in_words(row)] for row in rows], head)
    total = sum(row["bytes"] for row in rows)
    most = data_cache.limit()
    of = f" of {_size(most)}" if most is not None else ""
    note(f"\n{_size(total) or '0 kB'}{of} in {data_cache.data_folder()}")


@app.command("fetch")
def fetch(
    names: list[str] = typer.Argument(..., metavar="DATASET...", help="Datasets by name (fw data list)."),
) -> None:
    """Fetch data now, so that training needs no network."""
    from framework_core import data_cache
    from framework_core.cli.screen import note

    _need_network_libraries()
    wanted = {name: _files(name) for name in names}
    for name, files in wanted.items():
        folder = data_cache.fetch(name, files)
        note(f"{name} is in {folder} ({_size(data_cache.size_of(folder))})")


@app.command("verify")
def verify(names: list[str] = DATASETS) -> None:
    """Compare what is here with the digests of its publishers."""
    from framework_core import data_cache
    from framework_core.cli.screen import note
    from framework_core.errors import DataError

    published = _published()
    here = [each.name for each in data_cache.held()]
    for name in names or []:
        if name not in here:
            raise data_cache.named(name, here)
    wrong: dict[str, list[str]] = {}
    for name in names or here:
        if name in published:
            wrong[name] = data_cache.wrong_in(data_cache.data_folder() / name, published[name])
            print(f"{name}  {'as it was published' if not wrong[name] else 'changed'}")
        else:
            note(f"{name}: nothing installed says what it should be")
    bad = {name: found for name, found in wrong.items() if found}
    if bad:
        raise DataError(
            "\n".join(
                ["Data in the cache is not what was published:", *(f"  {each}" for b in bad.values() for each in b)]
            ),
            next_step=f"Fetch it anew: fw data gc {' '.join(bad)} && fw data fetch {' '.join(bad)}",
        )


@app.command("check")
def check(
    dataset: str = typer.Argument(
        ..., metavar="DATASET", help="A name (fw list datasets), file.py:Class or module:Class."
    ),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Its settings: dataset.path=photos."),
    seconds: float | None = typer.Option(
        None, "--seconds", min=0.1, help="How long to look at most; without it, until all was compared."
    ),
    as_json: bool = JSON,
) -> None:
    """Look for samples of validation and test that training has too."""
    import dataclasses

    from framework_core.cli.screen import note, print_json
    from framework_core.cli.training import training_library

    run = training_library("fw data check")
    found = run.check_data(dataset, overrides or [], seconds=seconds)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    for line in run.duplicates.sentences(found):
        print(line)
    note(f"{'' if found.found else 'No duplicates: '}{run.duplicates.extent(found)}.")


@app.command("gc")
def gc(
    names: list[str] = typer.Argument(None, metavar="[DATASET]...", help="Datasets to remove, by name."),
    size: str = typer.Option(
        "", "--size", help="Remove what was not used for longest until so much is left: 20GB (default: the limit)."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be removed; remove nothing."),
) -> None:
    """Remove what interrupted downloads left, the datasets named, and what passes the limit."""
    from framework_core import data_cache
    from framework_core.cli.screen import note

    here = {each.name: each for each in data_cache.held()}
    for name in names or []:
        if name not in here:
            raise data_cache.named(name, list(here))
    most = data_cache.bytes_of(size) if size else data_cache.limit()
    going = [here[name] for name in names or []]
    if most is not None:
        going += [each for each in data_cache.longest_unused(most) if each not in going]
    left_over = list(data_cache.left_over())
    if not going and not left_over:
        note("There is nothing to remove.")
    for path in left_over:
        print(f"{path}  left over")
        if not dry_run:
            data_cache.remove_left_over(path)
    for each in going:
        print(f"{each.name}  {_size(each.size)}")
        if not dry_run:
            data_cache.remove(each.name)


def _published() -> dict[str, tuple[RemoteFile, ...]]:
    """The files of every dataset that has some, by its name."""
    from framework_core.download import RemoteFile
    from framework_core.plugins import index

    return {
        row["name"]: tuple(RemoteFile(**{**file, "mirrors": tuple(file.get("mirrors", ()))}) for file in row["files"])
        for row in index.rows("dataset")
        if row.get("files")
    }


def _files(name: str) -> tuple[RemoteFile, ...]:
    """The files of a dataset.

    Raises:
        DataError: It fetches nothing.
    """
    from framework_core.errors import DataError, UnknownNameError

    published = _published()
    if name in published:
        return published[name]
    from framework_core.plugins import index

    known = [row["name"] for row in index.rows("dataset")]
    if name not in known:
        raise UnknownNameError("dataset", name, published, listing="fw data list")
    raise DataError(
        f"The dataset {name!r} fetches nothing.",
        possible=f"These do: {', '.join(published)}.",
        next_step=f"See what it takes: fw info dataset {name}",
    )


def _state(name: str, files: tuple[RemoteFile, ...] | None) -> str:
    from framework_core import data_cache

    if files is None:
        return "unknown"
    folder = data_cache.data_folder() / name
    found = [data_cache.is_here(file, folder) for file in files]
    if all(found):
        return "here"
    return "partly" if folder.is_dir() and any(folder.iterdir()) else "not here"


def _in_words(row: dict[str, Any]) -> list[str]:
    from datetime import datetime

    used = datetime.fromtimestamp(row["used"]).strftime("%Y-%m-%d") if row["used"] else ""
    return [_size(row["bytes"]), _size(row["download"]), used]


def _size(count: int) -> str:
    from framework_core.download_progress import megabytes

    return megabytes(count) if count else ""


def _need_network_libraries() -> None:
    from importlib.util import find_spec

    from framework_core.errors import MissingPackageError

    for package in ("requests", "filelock"):
        if find_spec(package) is None:
            raise MissingPackageError(package, needed_for="fw data fetch", requirement="framework-core[train]")
