"""Promises of a package: it is found, it costs nothing that is not used, and what it offers can be had."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

from framework_core.testing.check import NotApplicableError, check, expect
from framework_core.testing.subjects import PackageSubject

GROUPS = ("framework.plugins", "framework.models", "framework.datasets", "framework.commands")
SECONDS = 0.5
"""The processor's time that importing a plugin's light modules may take."""


@check("package")
def offers_something(package: PackageSubject) -> None:
    """It has an entry point that this framework looks for."""
    found = {entry.group for entry in package.distribution.entry_points}
    expect(
        bool(found & set(GROUPS)), f"it has entry points of {_listed(found) or 'no group'}, not of {_listed(GROUPS)}"
    )


@check("package")
def import_works(package: PackageSubject) -> None:
    """Its light modules can be imported, which neither fails nor ends nor hangs the process."""
    expect(not package.imported["problem"], package.imported["problem"])


@check("package")
def import_is_light(package: PackageSubject) -> None:
    """Importing its light modules imports no large library: they are imported when something is built."""
    expect(not package.imported["heavy"], f"it imports {_listed(package.imported['heavy'])}")


@check("package")
def import_is_quick(package: PackageSubject) -> None:
    """Importing its light modules takes less than half a second of the processor."""
    seconds = package.imported["seconds"]
    expect(seconds <= SECONDS, f"it takes {seconds:.2f} s; at most {SECONDS:g} s are allowed")


@check("package")
def import_is_silent(package: PackageSubject) -> None:
    """Importing it prints nothing: output belongs to the command."""
    printed = package.imported["printed"].strip()
    expect(not printed, f"it prints {printed.splitlines()[0] if printed else ''!r}")


@check("package")
def import_leaves_nothing(package: PackageSubject) -> None:
    """Importing it writes nothing in the working folder and starts no thread."""
    files, threads = package.imported["files"], package.imported["threads"]
    expect(not files, f"it writes {_listed(files)} in the working folder")
    expect(threads <= 0, f"it starts {threads} threads")


@check("package")
def plugins_are_active(package: PackageSubject) -> None:
    """Every plugin of it loads: hooks have the names of hooks, and specs are specs."""
    broken = [f"{plugin.name}: {plugin.cause}" for plugin in package.plugins if plugin.state == "broken"]
    expect(not broken, "; ".join(broken))


@check("package")
def contract_is_known(package: PackageSubject) -> None:
    """It is written for a contract that this core knows."""
    from framework_core.contracts import CONTRACT_VERSION

    newer = [offer.spec.name for offer in package.offers if offer.spec.contract_version > CONTRACT_VERSION]
    expect(not newer, f"{_listed(newer)} are for a newer contract than {CONTRACT_VERSION}, which this core knows")


@check("package")
def names_are_its_own(package: PackageSubject) -> None:
    """No other installed package offers a component under the same name."""
    from framework_core.plugins.registry import registry

    own = {(offer.spec.kind, offer.spec.name): offer.spec.builder for offer in package.offers}
    taken = [
        f"the {offer.spec.kind} {offer.spec.name} is offered by {offer.distribution} too"
        for kind in {kind for kind, _ in own}
        for offer in registry.catalogue.offers(kind)
        if own.get((kind, offer.spec.name), offer.spec.builder) != offer.spec.builder
    ]
    expect(not taken, "; ".join(taken))


@check("package")
def components_are_described(package: PackageSubject) -> None:
    """Every component has a summary, and every model and dataset its domain and tasks."""
    missing = []
    for offer in package.offers:
        wanted = ["summary", "domain", "tasks"] if offer.spec.kind in ("model", "dataset") else ["summary"]
        lacks = [name for name in wanted if not _said(offer, name)]
        if lacks:
            missing.append(f"{offer.spec.kind} {offer.spec.name} has no {_listed(lacks)}")
    expect(not missing, _few(missing))


@check("package")
def has_licence(package: PackageSubject) -> None:
    """It says its licence."""
    metadata = package.distribution.metadata
    said = any(metadata.get_all(name) for name in ("License-Expression", "License")) or any(
        "License ::" in each for each in metadata.get_all("Classifier") or ()
    )
    expect(bool(said), 'its metadata says none: license = "MIT", or what it is, in pyproject.toml')


@check("package")
def says_which_core(package: PackageSubject) -> None:
    """It depends on the core, or on a package that does, with a lower and an upper bound."""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in package.distribution.requires or ()]
    ours = [each for each in wanted if re.match(r"framework[-_]", each.name) and each.marker is None]
    expect(bool(ours), "it depends on no framework package: framework-core>=0.1,<0.2")
    for each in ours:
        operators = {clause.operator for clause in each.specifier}
        bounded = bool(operators & {"<", "<=", "==", "~="}) and bool(operators & {">", ">=", "==", "~="})
        expect(bounded, f"{each} has no lower and upper bound: {each.name}>=0.1,<0.2")


@check("package")
def components_can_be_imported(package: PackageSubject) -> None:
    """What builds each component, and its settings, can be imported."""
    from framework_core.errors import FrameworkError, MissingPackageError
    from framework_core.plugins.catalogue import config_class, import_builder

    failed = []
    for target, offer in {offer.spec.builder: offer for offer in package.offers}.items():
        try:
            import_builder(offer)
            config_class(offer)
        except MissingPackageError:
            continue  # an extra that is not installed
        except FrameworkError as error:
            failed.append(f"{target}: {error}")
    expect(not failed, _few(failed))


@check("package")
def settings_are_light(package: PackageSubject) -> None:
    """The modules of settings import no torch: settings are checked and completed before anything heavy loads."""
    import subprocess
    import sys

    modules = sorted({offer.spec.config.partition(":")[0] for offer in package.offers if offer.spec.config})
    if not modules:
        raise NotApplicableError("all settings are read from signatures")
    code = f"import sys; [__import__(name) for name in {modules!r}]; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"], timeout=60)
    expect(done.returncode == 0, f"one of {_listed(modules)} imports torch")


@check("package")
def experiments_are_valid(package: PackageSubject) -> None:
    """Every experiment that it brings sets what there is to what is allowed."""
    from framework_core.testing.config_files import problems_of

    if not any("register_config_packages" in plugin.hooks for plugin in package.plugins):
        raise NotApplicableError("it brings no config packages")
    found = problems_of(package.name)
    expect(not found, _few(found))


@check("package")
def commands_can_be_called(package: PackageSubject) -> None:
    """Its commands are typer programs."""
    entries = [
        each for each in entry_points(group="framework.commands") if each.dist and each.dist.name == package.name
    ]
    if not entries:
        raise NotApplicableError("it has no commands")
    import typer

    wrong = [entry.name for entry in entries if not isinstance(entry.load(), typer.Typer)]
    expect(not wrong, f"{_listed(wrong)} of framework.commands is no typer.Typer")


def _said(offer: object, name: str) -> bool:
    """Whether the spec or the class says it."""
    from framework_core.errors import FrameworkError
    from framework_core.plugins.catalogue import import_builder
    from framework_core.plugins.discovery import Offer

    assert isinstance(offer, Offer)  # noqa: S101
    if getattr(offer.spec, name):
        return True
    try:
        builder = import_builder(offer)
    except FrameworkError:
        return False
    return bool((builder.__doc__ or "").strip() if name == "summary" else getattr(builder, name, None))


def _listed(names: object) -> str:
    return ", ".join(sorted(map(str, names)))  # type: ignore[call-overload]


def _few(found: list[str], most: int = 3) -> str:
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")
