"""Answers a shell that asks how a line goes on, from what is kept about this installation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework_core.cli.slips import TAKES_SETTINGS, line_of
from framework_core.cli.words import Words, all_known, read

FILES = ("config", "config_dir", "output", "paths")
RUNS = ("run", "runs", "resume")
Answer = Iterator[tuple[str, str]]


def answer(words: Sequence[str]) -> None:
    """Print how the last word may go on: one completion a line, with what it is for after a tab."""
    *before, current = words or [""]
    for text, about in completions(before, current):
        print(f"{text}\t{' '.join(about.split())}" if about else text)


def completions(before: Sequence[str], current: str) -> Answer:
    """How a word may go on after others, each possibility with what it is for."""
    known = all_known()
    found = read(before, known["commands"])
    name, equals, value = current.partition("=")
    if found.waiting is not None:
        yield from _beginning(_values(found, found.waiting, current, known), current)
    elif current.startswith("--") and equals and name in found.node.get("options", {}):
        option = found.node["options"][name]
        for text, about in _beginning(_values(found, option, value, known), value):
            yield f"{name}={text}", about
    elif current.startswith("-"):
        given = [option for option in _options(found.node).items() if option[1]["name"] not in found.options]
        yield from _beginning(((word, option["help"]) for word, option in given), current)
    elif "commands" in found.node and not found.arguments:
        yield from _beginning(((each, below["help"]) for each, below in found.node["commands"].items()), current)
    else:
        yield from _argument(found, current, known)


def _options(node: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The long options of a command."""
    return {word: option for word, option in node.get("options", {}).items() if word.startswith("--")}


def _argument(found: Words, current: str, known: Mapping[str, Any]) -> Answer:
    arguments = found.node.get("arguments", [])
    if not arguments:
        return
    argument = arguments[min(len(found.arguments), len(arguments) - 1)]
    if argument["name"] == TAKES_SETTINGS:
        yield from _setting(found, current, known)
    else:
        yield from _beginning(_values(found, argument, current, known), current)


def _values(found: Words, taker: Mapping[str, Any], current: str, known: Mapping[str, Any]) -> Answer:
    """What an option or an argument may be."""
    from framework_core.config.first_look import Known

    name = taker["name"]
    kind = found.path[-1] if found.path[:1] == ("info",) else name
    kind = "dataset" if found.path[:1] == ("data",) else kind
    filters = known["filters"].get(found.path[-1].removesuffix("s"), {}) if found.path else {}
    if taker["choices"]:
        yield from ((each, "") for each in taker["choices"])
    elif kind in known["settings"]["offers"]:
        yield from ((each, "") for each in Known(known["settings"]).options(kind))
    elif f"--{name}" in filters:
        yield from ((each, "") for each in filters[f"--{name}"])
    elif name in RUNS:
        yield from ((each, "") for each in ["last", *_runs()])
    elif name in FILES:
        yield from _files(current)


def _setting(found: Words, current: str, known: Mapping[str, Any]) -> Answer:
    """A key and its value, those of the components that the line names."""
    from framework_core.config.first_look import Settings

    settings = Settings(line_of(found), known["settings"])
    added = "+" * (len(current) - len(current.lstrip("+")))
    key, equals, value = current[len(added) :].partition("=")
    if equals:
        for word, about in _beginning(((each, "") for each in settings.values(key)), value):
            yield f"{added}{key}={word}", about
        return
    for text, about in settings.keys(key):
        yield f"{added}{text}", about


def _beginning(answers: Iterable[tuple[str, str]], current: str) -> Answer:
    return (each for each in answers if each[0].startswith(current))


def _runs() -> list[str]:
    runs = Path("runs")
    folders = [each for each in runs.iterdir() if (each / "run.json").is_file()] if runs.is_dir() else []
    return [each.name for each in sorted(folders, key=lambda each: each.stat().st_mtime, reverse=True)]


def _files(current: str) -> Answer:
    """The files and folders that a path may lead to."""
    folder, _, begun = current.rpartition("/")
    place = f"{folder}/" if folder or current.startswith("/") else ""
    try:
        entries = sorted(os.scandir(os.path.expanduser(place) or "."), key=lambda each: each.name)  # noqa: PTH111  # ~ stays
    except OSError:
        return
    for each in entries:
        if not each.name.startswith(".") or begun.startswith("."):
            yield f"{place}{each.name}{'/' if each.is_dir() else ''}", ""
