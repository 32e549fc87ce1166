"""The command ``fw plugin check``."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from framework_core.cli.listing import plugins

if TYPE_CHECKING:
    from framework_core.plugins.discovery import Plugin
    from framework_core.testing.examination import Outcome

app = typer.Typer(
    help="See the plugins, switch them off and on; write and check one's own.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def plugin() -> None:
    """See the plugins, switch them off and on; write and check one's own."""


app.command("list")(plugins)


@app.command("disable")
def disable(name: str = typer.Argument(..., metavar="NAME", help="A plugin, or its package.")) -> None:
    """Leave a plugin out of every command in this environment, until it is enabled."""
    from framework_core.cli.screen import note
    from framework_core.plugins import disabled

    _refuse_unknown(name)
    with _noting():
        path = disabled.disable(name)
    note(f"{name} is disabled, as {path} says. It comes back with: fw plugin enable {name}")


@app.command("enable")
def enable(name: str = typer.Argument(..., metavar="NAME", help="A plugin, or its package.")) -> None:
    """Take a plugin in again that was disabled."""
    from framework_core.cli.screen import note
    from framework_core.plugins import disabled
    from framework_core.plugins.importing import forget_ends
    from framework_core.plugins.switches import why_left_out

    _refuse_unknown(name)
    named = _named(name)
    with _noting():
        found = disabled.enable(*{word for each in named for word in (each.name, each.distribution)})
    for each in named:
        forget_ends(each.name, each.version)
    causes = {each.name: why_left_out(each.name, each.distribution, each.version) for each in named}
    still = "; ".join(f"{plugin}: {why}" for plugin, why in causes.items() if why)
    note(f"{name} {'is enabled' if found else 'was not disabled'}{f', and still left out: {still}' if still else ''}.")


@contextlib.contextmanager
def _noting() -> Iterator[None]:
    """Tell of a folder of settings that cannot be written; look for plugins anew when they are next asked for."""
    from framework_core.errors import OutputError
    from framework_core.plugins.registry import registry

    try:
        yield
    except OSError as error:
        raise OutputError(str(error.filename), error.strerror or str(error)) from error
    registry.refresh()


def _named(name: str) -> list[Plugin]:
    """The plugins of a name, or of a package."""
    from framework_core.plugins.registry import registry

    return [each for each in registry.plugins.found if name in (each.name, each.distribution)]


def _refuse_unknown(name: str) -> None:
    from framework_core.errors import UnknownNameError
    from framework_core.plugins.discovery import CORE
    from framework_core.plugins.registry import registry

    others = [each for each in registry.plugins.found if each.distribution != CORE]
    known = {word for each in others for word in (each.name, each.distribution)}
    if name not in known:
        raise UnknownNameError("plugin", name, known, listing="fw plugin list")


@app.command("new")
def new(
    name: str = typer.Argument(..., metavar="NAME", help="What the package is called: my-plugin."),
    folder: Path | None = typer.Argument(
        None, metavar="[FOLDER]", help="Where; without it, a folder of that name here."
    ),
    model: bool = typer.Option(False, "--model", help="With a model."),
    dataset: bool = typer.Option(False, "--dataset", help="With a dataset."),
    callback: bool = typer.Option(False, "--callback", help="With a callback."),
    strategy: bool = typer.Option(False, "--strategy", help="With a strategy for several devices."),
    config_group: bool = typer.Option(False, "--config-group", help="With an experiment for the model and dataset."),
) -> None:
    """Write a plugin package that passes its own tests. Nothing is overwritten.

    It asks, where it runs in a terminal and no part was named.
    """
    from framework_core.cli.screen import note
    from framework_core.errors import quoted
    from framework_core.project.plugin import PARTS, create_plugin

    chosen = dict(zip(PARTS, (model, dataset, callback, strategy, config_group), strict=True))
    if not any(chosen.values()) and sys.stdin.isatty() and sys.stderr.isatty():
        for part in PARTS:
            needed = part != "config-group" or (chosen["model"] and chosen["dataset"])
            chosen[part] = needed and typer.confirm(f"With a {part}?", default=part in ("model", "dataset"), err=True)
    for path in create_plugin(name, folder, parts=[part for part, wanted in chosen.items() if wanted]):
        print(path)
    note(f"\nStart: cd {quoted(str(folder or name))} && pip install -e . --group dev && pytest")


@app.command("check")
def check(
    package: str = typer.Argument(
        ..., metavar="PACKAGE", help="An installed package, a wheel, or a folder with a pyproject.toml."
    ),
    components: list[str] = typer.Argument(None, metavar="[COMPONENT]...", help="Only these of what it offers."),
    settings: list[str] = typer.Option(
        [], "--set", metavar="COMPONENT:KEY=VALUE", help="A setting to check a component with. Can be repeated."
    ),
    thorough: bool = typer.Option(
        False, "--thorough", help="Kill trainings and resume them, and train in two processes, too."
    ),
    certified: bool = typer.Option(
        False,
        "--certify",
        help="Where every promise is kept, write a certificate: into the wheel, or beside the package.",
    ),
    everything: bool = typer.Option(False, "--all", help="Show every promise, also those that are kept."),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON."),
) -> None:
    """See whether a package keeps what plugins promise. Exit code 1 where it does not."""
    from framework_core.cli.training import training_library

    training_library("fw plugin check")
    if certified:
        _refuse_parts(components)
    if not _is_installed(package):
        raise typer.Exit(_check_elsewhere(package, certified))
    from framework_core.testing.examination import examine

    if certified:
        from framework_core.testing.certifying import refuse_sources

        refuse_sources(package)
    found = examine(package, settings=_by_component(settings), only=components or (), thorough=thorough)
    ended = _collected(found) if as_json else _shown(found, everything)
    failed = any(each.is_failure for each in ended)
    if certified:
        _certify(package, ended, failed, thorough)
    raise typer.Exit(1 if failed else 0)


def _refuse_parts(components: Iterable[str] | None) -> None:
    from framework_core.errors import UsageError

    if components:
        raise UsageError(
            f"A certificate is of a whole package, not of {', '.join(components)}.",
            command="fw plugin check",
            possible="Leave --certify out, or the components.",
        )


def _certify(package: str, ended: Iterable[Outcome], failed: bool, thorough: bool) -> None:
    from framework_core.cli.screen import note
    from framework_core.testing.certifying import certify

    if failed:
        note("There is no certificate where a promise is broken.")
    else:
        certify(package, ended, thorough=thorough)
        note(f"Certified: {package}")


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except (PackageNotFoundError, ValueError):
        return False
    return True


def _check_elsewhere(package: str, certified: bool) -> int:
    """Install a wheel or a folder into a folder of its own, and check it in a process that finds it there."""
    from framework_core.cli.screen import note
    from framework_core.errors import NoSuchPackageError, NotCertifiableError
    from framework_core.plugins.certificate import FILE
    from framework_core.testing.installing import install_into

    source = Path(package)
    if not source.exists():
        raise NoSuchPackageError(package)
    if certified and source.suffix != ".whl":
        raise NotCertifiableError(package, "it is a folder of sources, which change")
    with tempfile.TemporaryDirectory() as folder:
        note(f"Installing {package} into a folder of its own, without what it depends on.")
        name = install_into(Path(folder), source.resolve())
        words = [name if word == package else word for word in sys.argv[1:]]
        path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        code = subprocess.run([sys.executable, "-m", "framework_core", *words], env=environment).returncode
        if certified and code == 0:
            from framework_core.testing.certifying import put_into_wheel

            (certificate,) = Path(folder).glob(f"*.dist-info/{FILE}")
            put_into_wheel(source, certificate.read_text("utf-8"))
            note(f"The certificate is in {package}")
        return code


def _by_component(settings: Iterable[str]) -> dict[str, list[str]]:
    from framework_core.errors import UsageError

    found: dict[str, list[str]] = {}
    for each in settings:
        component, colon, override = each.partition(":")
        if not colon or "=" not in override:
            raise UsageError(
                f"--set {each} cannot be read.",
                command="fw plugin check",
                possible="It names a component and a setting: --set my_model:model.width=8",
            )
        found.setdefault(component, []).append(override)
    return found


def _collected(found: Iterable[Outcome]) -> list[Outcome]:
    from framework_core.cli.screen import print_json

    ended = list(found)
    print_json([each.plain() for each in ended])
    return ended


def _shown(found: Iterable[Outcome], everything: bool) -> list[Outcome]:
    """Print a line for each subject as soon as it was looked at, below it what is to be told; then the sums."""
    from framework_core.cli.screen import note

    ended: list[Outcome] = []
    for subject, outcomes in itertools.groupby(found, key=lambda each: each.subject):
        group = list(outcomes)
        ended += group
        print(f"{subject}: {_counts(group)}")
        for each in group:
            if everything or each.ending not in ("kept", "not applicable"):
                print(f"  {each.ending}  {each.check}: {each.why or each.promise}", flush=True)
        for why in {each.why: None for each in group if each.ending == "not applicable" and not everything}:
            print(f"  not applicable  {why}", flush=True)
    note(f"In all: {_counts(ended)}")
    return ended


def _counts(outcomes: Iterable[Outcome]) -> str:
    endings = [each.ending for each in outcomes]
    return ", ".join(f"{endings.count(ending)} {ending}" for ending in dict.fromkeys(endings))
