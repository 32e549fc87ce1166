"""The code and the environment of a run made again in a folder, so that it can be repeated where neither is."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from framework_core.errors import FilesInTheWayError, RebuildError
from framework_core.tracking.lineage import CodeState

_log = logging.getLogger("framework_core")

CODE, ENVIRONMENT, SOURCES, REQUIREMENTS = "code", "environment", "sources", "requirements.txt"
OF_GIT = (".gitignore", ".gitattributes")
"""Files that git reads, but not through a link."""


def rebuild(folder: Path, then: CodeState, environment: Mapping[str, Any]) -> tuple[Path, Path]:
    """Check out the code of a run, and install the packages that it was trained with.

    Args:
        folder: Where to; it is not there yet, or empty.
        then: The code of the run.
        environment: Its Python, its packages, and where those are from.

    Returns:
        The folder to train in, and the Python to train with.

    Raises:
        FilesInTheWayError: Something is in the folder.
        RebuildError: The code or a package can no longer be had.
    """
    top = _repository(then.commit)
    if folder.exists() and any(folder.iterdir()):
        raise FilesInTheWayError([str(each) for each in sorted(folder.iterdir())])
    folder.mkdir(parents=True, exist_ok=True)
    place = _code(folder.resolve(), then, top, Path.cwd()) if top else Path.cwd()
    return place, _environment(folder.resolve(), environment)


def _repository(commit: str) -> Path | None:
    """The repository that this folder is in; nothing for a run that was trained in none."""
    if not commit:
        return None
    try:
        return Path(_git(Path.cwd(), "rev-parse", "--show-toplevel"))
    except RebuildError:
        raise RebuildError(
            f"The run was trained at commit {commit[:12]}, and this folder is in no git repository.",
            next_step="Type this in the repository that has the commit.",
        ) from None


def _code(folder: Path, then: CodeState, top: Path, here: Path) -> Path:
    """The commit with what was not committed; what git does not keep, such as data, is linked from here."""
    code = folder / CODE
    _check_out(top, then.commit, code)
    if then.diff.strip():
        _git(
            code, "apply", "--whitespace=nowarn", "-", given=then.diff if then.diff.endswith("\n") else f"{then.diff}\n"
        )
    _log.info("code      commit %s%s", then.commit[:12], " and what was not committed" if then.diff.strip() else "")
    within = here.resolve().relative_to(top.resolve())
    (code / within).mkdir(parents=True, exist_ok=True)
    _link(code / within, here, then.untracked, apart_from=folder)
    _link(code, top, _kept_out(top), apart_from=folder, hidden=True)
    return code / within


def _check_out(repository: Path, commit: str, folder: Path) -> None:
    _git(repository, "clone", "--quiet", "--no-checkout", str(repository), str(folder))
    try:
        _git(folder, "checkout", "--quiet", "--detach", commit)
    except RebuildError:
        raise RebuildError(
            f"The commit {commit[:12]} of the run is not in {repository}.",
            next_step=f"Fetch it: git -C {repository} fetch --all",
        ) from None


def _kept_out(top: Path) -> list[str]:
    """What git ignores there, a folder as one."""
    listed = _git(top, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory").splitlines()
    return [each.rstrip("/") for each in listed if "__pycache__" not in each]


def _link(code: Path, source: Path, names: Iterable[str], *, apart_from: Path, hidden: bool = False) -> None:
    """Links to files of ``source``; hidden ones git ignores, as it ignores what they lead to."""
    for name in names:
        link, target = code / name, (source / name).resolve()
        if link.exists() or not target.exists() or apart_from == target or apart_from.is_relative_to(target):
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        if target.name in OF_GIT:
            shutil.copy(target, link)
        else:
            link.symlink_to(target)
        if hidden:
            # A pattern of .gitignore that ends in a slash means folders, and no links to them.
            with (code / ".git" / "info" / "exclude").open("a", encoding="utf-8") as excluded:
                excluded.write(f"/{name}\n")


def _environment(folder: Path, environment: Mapping[str, Any]) -> Path:
    """An environment with exactly the packages of the record."""
    uv, place = shutil.which("uv"), folder / ENVIRONMENT
    version = environment["machine"]["python"]
    if uv:
        _make([uv, "venv", "--quiet", "--python", version, str(place)], [uv, "venv", "--quiet", str(place)], version)
    else:
        _make([sys.executable, "-m", "venv", str(place)], [], version)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _refuse_other_python(python, version)
    requirements = folder / REQUIREMENTS
    requirements.write_text("".join(f"{line}\n" for line in _requirements(folder, environment)), encoding="utf-8")
    _log.info("packages  %d as they were, for Python %s", len(environment["packages"]), version)
    installer = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    _run([*installer, "--quiet", "--no-deps", "-r", str(requirements)], "The packages of the run cannot be installed")
    return python


def _make(command: Sequence[str], otherwise: Sequence[str], version: str) -> None:
    """An environment of the very Python, or of one that is here."""
    what = f"An environment with Python {version} cannot be made"
    try:
        _run(command, what)
    except RebuildError:
        if not otherwise:
            raise
        _run(otherwise, what)


def _refuse_other_python(python: Path, version: str) -> None:
    asked = "import platform; print(platform.python_version())"
    here = _run([str(python), "-c", asked], "The Python of the environment cannot be started").strip()
    if here.split(".")[:2] != version.split(".")[:2]:
        raise RebuildError(
            f"The run was trained with Python {version}; only {here} is here.",
            next_step="Install uv, which fetches any Python: pip install uv",
        )


def _requirements(folder: Path, environment: Mapping[str, Any]) -> list[str]:
    """What to install, a line for each package of the record."""
    origins: Mapping[str, Mapping[str, str]] = environment.get("origins", environment.get("plugins", {}))
    repositories: dict[tuple[str, str], Path] = {}
    lines = []
    for name, version in environment["packages"].items():
        origin = origins.get(name, {})
        place = origin.get("from", "")
        if place.startswith("file:"):
            lines.append(_of_a_folder(name, origin, folder, repositories))
        elif "://" in place:
            at = f"@{origin['commit']}" if "commit" in origin else ""
            lines.append(f"{name} @ {'git+' if at and not place.startswith('git+') else ''}{place}{at}")
        else:
            lines.append(f"{name}=={version}")
    return lines


def _of_a_folder(name: str, origin: Mapping[str, str], folder: Path, repositories: dict[tuple[str, str], Path]) -> str:
    """A package from a file, or from a folder as its commit has it."""
    path = Path(url2pathname(urlsplit(origin["from"]).path))
    if not path.exists():
        raise RebuildError(
            f"The package {name} of the run was installed from {path}, which is not there.",
            next_step="Put it there again.",
        )
    if commit := origin.get("commit"):
        top = Path(_git(path, "rev-parse", "--show-toplevel"))
        known = (str(top), commit)
        if known not in repositories:
            repositories[known] = folder / SOURCES / f"{top.name}-{len(repositories)}"
            _check_out(top, commit, repositories[known])
        path = repositories[known] / path.resolve().relative_to(top.resolve())
    return f"{'-e ' if origin.get('editable') else ''}{path}"


def _git(folder: Path, *arguments: str, given: str | None = None) -> str:
    return _run(["git", "-C", str(folder), *arguments], "The code of the run cannot be made again", given).strip()


def _run(command: Sequence[str], what: str, given: str | None = None) -> str:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RebuildError(f"{what}: {error.strerror}: {command[0]}.") from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise RebuildError(f"{what}: {' '.join(lines[-6:]).rstrip('.') or 'no reason is given'}.")
    return done.stdout
