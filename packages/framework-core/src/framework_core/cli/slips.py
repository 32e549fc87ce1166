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

CHECKED = {"train", "config", "evaluate", "predict", "info", "list"}
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
    from framework_core.wording import told_together

    if wrong := problems(line_of(found), vocabulary):
        raise told_together(wrong)


def line_of(found: Words) -> Line:
    """What a line says of settings."""
    from framework_core.config.first_look import Line

    named = {group: found.options[group] for group in COMPONENTS if found.options.get(group)}
    run = found.options.get("resume", "")
    overrides = list(found.arguments)
    if run and any(word.startswith("output_dir=") for word in overrides):
        return Line(overrides, named, {}, False)
    if found.node["arguments"][0]["name"] == "run":
        run, overrides = (overrides or [""])[0], overrides[1:]
    body, complete = _body(found.options.get("config", ""), run)
    folder = found.options.get("config_dir")
    return Line(overrides, named, body, complete, Path(folder) if folder else None)


def _body(config: str, run: str) -> tuple[dict[str, Any], bool]:
    """The settings of a file, or of a run; and whether that is all there is."""
    if config:
        return _read(Path(config))
    if not run:
        return {}, True
    folder = _folder_of(run)
    return _read(folder / "config.yaml") if folder else ({}, False)


def _folder_of(run: str) -> Path | None:
    """The folder of a run that is here and named in full, or by ``last``."""
    if (Path(run) / "run.json").is_file():
        return Path(run)
    found = []
    for path in Path("runs").glob("*/run.json"):
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
    import yaml

    try:
        loaded = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}, False
    return ({str(key): value for key, value in loaded.items()}, True) if isinstance(loaded, dict) else ({}, False)
