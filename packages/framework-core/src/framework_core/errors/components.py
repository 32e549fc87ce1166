"""Models, data and plugins that do not do what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import FrameworkError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class DataError(RequestError):
    """Data that cannot be used.

    Args:
        what: What is wrong with it.
        paths: The files or folders it is about.
        possible: What the data should look like.
        next_step: What to do about it.

    Example::

        $ fw predict last nowhere.txt
        error: There is no file nowhere.txt.
          Files are named one by one, or by the folder that they are in.
          See what is here: ls .
    """

    def __init__(self, what: str, *, paths: Sequence[Path | str] = (), possible: str = "", next_step: str = "") -> None:
        self.paths = tuple(str(path) for path in paths)
        next_step = next_step or "See what each dataset takes: fw info dataset NAME"
        super().__init__(what, possible=possible, next_step=next_step)


class ContractError(RequestError):
    """A model and data that do not fit each other.

    Args:
        subject: What was checked, for example ``"model 'resnet50' on dataset 'digits'"``.
        violations: One sentence for each thing that does not fit.
        next_step: What to change.

    Example::

        $ fw train --model mine.py:Net --dataset misfit.py:Pictures
        error: The model 'Net' and the dataset 'Pictures' do not fit:
            the data is for image-classification, the model learns tabular-classification
          Find a model for this data: fw list models --task image-classification
    """

    def __init__(self, subject: str, violations: Sequence[str], *, next_step: str = "") -> None:
        self.subject = subject
        self.violations = tuple(violations)
        super().__init__(
            "\n".join([f"{subject}:", *(f"  {line}" for line in violations)]),
            next_step=next_step or "See what each takes: fw info model NAME, fw info dataset NAME",
        )


class PluginError(FrameworkError):
    """A broken plugin, where ``--strict`` asked for none.

    Args:
        plugin: The plugin.
        distribution: The package that it belongs to.
        version: The package's version.
        cause: What is wrong with it.

    Example::

        $ fw list plugins --strict
        error: The plugin 'wreck' of wreck-dist 1.2.3 is broken: ImportError: no luck
          Without --strict the command goes on without it.
          Switch it off with --without wreck, or update it: pip install -U wreck-dist
    """

    def __init__(self, plugin: str, distribution: str, version: str, cause: str) -> None:
        self.plugin = plugin
        self.distribution = distribution
        self.version = version
        self.cause = cause
        super().__init__(
            f"The plugin {plugin!r} of {distribution} {version} is broken: {cause}",
            possible="Without --strict the command goes on without it.",
            next_step=f"Switch it off with --without {plugin}, or update it: pip install -U {distribution}",
        )


class NoSuchPackageError(RequestError):
    """A package that is to be looked at and is not there.

    Args:
        package: What was typed.

    Example::

        $ fw plugin check frog
        error: There is no package 'frog': nothing of that name is installed, and no such wheel or folder is here.
          An installed package, a wheel, or a folder with a pyproject.toml can be checked.
          See what is installed: fw list plugins
    """

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"There is no package {package!r}: nothing of that name is installed, and no such wheel or folder is here.",
            possible="An installed package, a wheel, or a folder with a pyproject.toml can be checked.",
            next_step="See what is installed: fw list plugins",
        )


class NotInstallableError(RequestError):
    """A wheel or a folder that cannot be installed to be looked at.

    Args:
        source: The wheel or folder.
        cause: Why not.

    Example::

        $ fw plugin check frog-1.0-cp27-none-any.whl
        error: frog-1.0-cp27-none-any.whl cannot be installed: it is for cp27-none-any, which this Python is not
          Nothing was changed: it would have gone into a folder of its own.
          Build one with: python -m build --wheel, in the folder of its pyproject.toml
    """

    def __init__(self, source: Path, cause: str) -> None:
        self.source = source
        self.cause = cause
        super().__init__(
            f"{source.name} cannot be installed: {cause}",
            possible="Nothing was changed: it would have gone into a folder of its own.",
            next_step="Build one with: python -m build --wheel, in the folder of its pyproject.toml",
        )


class NotCertifiableError(RequestError):
    """A package whose files may change at any time, so that a certificate would say nothing.

    Args:
        package: The package, as it was typed.
        cause: Why it is such a one.

    Example::

        $ fw plugin check frog-dist --certify
        error: frog-dist cannot be certified: it is run from its source, which changes.
          A certificate belongs to a wheel, or to what was installed from one.
          Build one, then: fw plugin check dist/NAME.whl --certify
    """

    def __init__(self, package: str, cause: str) -> None:
        self.package = package
        self.cause = cause
        super().__init__(
            f"{package} cannot be certified: {cause}.",
            possible="A certificate belongs to a wheel, or to what was installed from one.",
            next_step="Build one, then: fw plugin check dist/NAME.whl --certify",
        )
