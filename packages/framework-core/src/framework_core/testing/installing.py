"""A package that is not installed, put into a folder of its own to be looked at: from a wheel or its source."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from framework_core.errors import NotInstallableError


def install_into(folder: Path, source: Path) -> str:
    """Install a wheel, or the package in a folder, without what it depends on.

    Args:
        folder: Where to.
        source: A wheel, or a folder with a ``pyproject.toml``.

    Returns:
        The name of the distribution.

    Raises:
        NotInstallableError: It cannot be installed here.
    """
    if source.suffix == ".whl":
        _refuse_wheel_of_others(source)
    elif not (source / "pyproject.toml").is_file():
        raise NotInstallableError(source, "it is neither a wheel nor a folder with a pyproject.toml")
    command = [*_installer(source), "--quiet", "--no-deps", "--target", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["the installer does not say why"]
        raise NotInstallableError(source, " ".join(line.strip() for line in lines[-3:]))
    (found,) = distributions(path=[str(folder)])
    return found.name


def _refuse_wheel_of_others(wheel: Path) -> None:
    from packaging.tags import sys_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        *_, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        raise NotInstallableError(wheel, "its name is not that of a wheel") from None
    if not tags & set(sys_tags()):
        raise NotInstallableError(wheel, f"it is for {', '.join(sorted(map(str, tags)))}, which this Python is not")


def _installer(source: Path) -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    uv = shutil.which("uv")
    if uv is None:
        raise NotInstallableError(source, "neither pip nor uv is there to do it")
    # Files in its cache are those of earlier installations: one that was edited there is edited in the cache too.
    anew = ["--no-cache"] if source.suffix == ".whl" else []
    return [uv, "pip", "install", *anew, "--python", sys.executable]
