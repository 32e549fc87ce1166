"""Refuses slips of the finger before anything heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.cli.words import Words, all_known, read
from framework_core.errors import UnknownOptionError
from framework_core.spelling import slips

if TYPE_CHECKING:
    from framework_core.config.first_look import Line

CHECKED = {"train", "find", "verify", "config", "evaluate", "predict", "info", "list"}
"""The commands of which there is something to say."""

COMPONENTS = ("model", "dataset")
"""Options that name a component, by the name of its group."""

TAKES_SETTINGS = "overrides"
"""The argument of every command that takes settings."""


def refuse_slips(words: Sequence[str]) -> None:
    """Refuse a line in which something is certainly wrong; pass every other.

    Raises:
        RequestError: Settings that are not allowed, all of them at once; a component that nobody offers.
        UnknownOptionError: An option that lacks a dash, so that it would be read as something else.
    """
    if not CHECKED & set(words) or {"-h", "--help"} & set(words):
        return
    known = all_known()
    found = read(words, known["commands"])
    _refuse_option_without_dash(found)
    if not found.clear or found.waiting is not None:
        return
    if found.path[:1] == ("info",) and len(found.arguments) == 1:
        _refuse_unknown_component(found.path[-1], found.arguments[0], known["settings"])
    if any(each["name"] == TAKES_SETTINGS for each in found.node.get("arguments", ())):
        _refuse_settings(found, known["settings"])


def _refuse_option_without_dash(found: Words) -> None:
    """Refuse ``m-model``, which would be read as a setting or a file."""
    options = [each for each in found.node.get("options", {}) if each.startswith("--")]
    for word in found.arguments:
        named = len(word) > 4 and "=" not in word and any(slips(word, each) <= 1 for each in options)
        if named and not Path(word).exists():
            raise UnknownOptionError(" ".join(["fw", *found.path]), word, options)


def _refuse_unknown_component(kind: str, name: str, vocabulary: Mapping[str, Any]) -> None:
    from framework_core.config.first_look import Known
    from framework_core.plugins.hints import unknown_name

    known = Known(vocabulary)
    if ":" not in name and not known.offers(kind, name):
        raise unknown_name(kind, name, known.names(kind))


def _refuse_settings(found: Words, vocabulary: Mapping[str, Any]) -> None:
    from framework_core.config.first_look import problems

    wrong = problems(line_of(found), vocabulary)
    if not wrong:
        return
    if found.path == ("train",) and (here := _file_here(found)):
        from framework_core.cli.screen import note
        from framework_core.config.project import taken_from

        note(taken_from(here))
    from framework_core.wording import told_together

    raise told_together(wrong)


def line_of(found: Words) -> Line:
    """What a line says of settings."""
    from framework_core.config.first_look import Line

    named = {group: found.options[group] for group in COMPONENTS if found.options.get(group)}
    body, complete = _body(found)
    folder = found.options.get("config_dir")
    return Line(_overrides(found), named, body, complete, Path(folder) if folder else None)


def _overrides(found: Words) -> list[str]:
    """The settings among the words of a line."""
    names = [each["name"] for each in found.node["arguments"]]
    return found.arguments[names.index(TAKES_SETTINGS) :]


def _body(found: Words) -> tuple[dict[str, Any], bool]:
    """The settings of the file or the run that a line begins with; and whether that is all there is."""
    run = found.options.get("resume", "")
    if found.node["arguments"][0]["name"] == "run":
        run = (found.arguments or [""])[0]
    elif run and any(word.startswith("output_dir=") for word in found.arguments):
        return {}, False
    if run:
        folder = _folder_of(run)
        return _read(folder / "config.yaml") if folder else ({}, False)
    file = Path(found.options["config"]) if "config" in found.options else _file_here(found)
    return _read(file) if file else ({}, True)


def _file_here(found: Words) -> Path | None:
    """The settings file that is taken because the line names none, and nothing to train."""
    from framework_core.config.project import settings_file_here

    if {"config", "resume"} & found.options.keys() or found.node["arguments"][0]["name"] == "run":
        return None
    return settings_file_here(_overrides(found), model=found.options.get("model", ""))


def _folder_of(run: str) -> Path | None:
    """The folder of a run that is here and named in full, or by ``last``."""
    if (Path(run) / "run.json").is_file():
        return Path(run)
    found = []
    for path in Path("runs").glob("[!.]*/run.json"):
        try:
            record = json.loads(path.read_text("utf-8"))
            found.append((record["started"], record["name"], record["run_id"], path.parent))
        except (OSError, ValueError, LookupError, TypeError):
            return None
    if run == "last" and found:
        return max(found)[-1]
    named = [folder for _, name, run_id, folder in found if run in (name, run_id)]
    return named[0] if len(named) == 1 else None


def _read(path: Path) -> tuple[dict[str, Any], bool]:
    """The settings in a file, as this release writes them."""
    import yaml

    from framework_core.config.migrations import NewerSettingsError, migrated

    try:
        loaded = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
        settings, _ = migrated({str(key): value for key, value in loaded.items()})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, NewerSettingsError):
        return {}, False
    return settings, True
