"""Settings with their origins, for people: one setting, a group of them, or the whole file with comments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from framework_core.config.compose import Composition
from framework_core.config.describe import described
from framework_core.config.origins import Given, Origin, explained, lines_of, made_name
from framework_core.config.saved import as_text, flattened, saved_settings, settings_text
from framework_core.config.source import COMPONENT_GROUPS
from framework_core.config.validate import short_name
from framework_core.errors import ConfigError, ConfigProblem, near_names

WIDEST = 60
"""Where comments begin at the latest, unless the line itself is longer."""


@dataclass(frozen=True)
class Explanation:
    """One setting, and why it has its value."""

    path: str
    value: str
    """The value in force, without secrets."""

    given: list[Given]
    """What was given, the one in force last."""

    allowed: str = ""
    """What it takes."""

    description: str = ""
    """What it is for."""

    @property
    def origin(self) -> Origin:
        """Where the value in force comes from."""
        return self.given[-1].origin

    def lines(self) -> list[tuple[str, str]]:
        """What is to be said, as names and texts."""
        *replaced, last = self.given
        facts = [("from", str(last.origin))]
        if isinstance(last.value, str) and "${" in last.value and last.value != self.value:
            facts.append(("written", last.value))
        facts += [
            ("replaces", f"{as_text(each.value) or repr(each.value)}  {each.origin}") for each in reversed(replaced)
        ]
        group, _, name = self.path.partition(".")
        change = f"{group}=NAME" if name == "name" and group in COMPONENT_GROUPS else f"{self.path}=VALUE"
        return [*facts, ("what", self.description), ("takes", self.allowed), ("change", change)]

    def as_dict(self) -> dict[str, Any]:
        """The same for a script."""
        *replaced, last = self.given
        return {
            "key": self.path,
            "value": self.value,
            "from": {**asdict(last.origin), "written": last.value},
            "replaces": [{**asdict(each.origin), "written": each.value} for each in reversed(replaced)],
        }


def explain(composition: Composition, key: str) -> list[Explanation]:
    """Why a setting, or each setting of a group, has its value.

    Args:
        composition: The settings, composed with ``trace=True``.
        key: The setting's path, or the path of a group.

    Raises:
        ConfigError: There is no such setting.
    """
    settings = flattened(saved_settings(composition.config))
    paths = [path for path in settings if path == key or path.startswith(f"{key}.")]
    if not paths:
        known = {".".join(path.split(".")[:depth]) for path in settings for depth in range(1, path.count(".") + 2)}
        raise ConfigError([ConfigProblem(key, "there is no such setting", near=near_names(key, known))])
    return [_explanation(composition, path, settings[path]) for path in paths]


def with_origins(composition: Composition) -> dict[str, Any]:
    """Every setting by its path, with its value and where it comes from."""
    return {each.path: each.as_dict() for each in _everything(composition)}


def text_with_origins(composition: Composition) -> str:
    """The settings file with a comment beside each setting; still valid input."""
    origins = {each.path: str(each.origin) for each in _everything(composition)}
    text = settings_text(composition.config)
    lines = text.splitlines()
    marks = {line: origins[path] for path, line in lines_of(text).items() if path in origins}
    column = min(WIDEST, max(len(lines[line - 1]) for line in marks))
    return "".join(
        f"{line.ljust(column)}  # {marks[number]}\n" if number in marks else f"{line}\n"
        for number, line in enumerate(lines, 1)
    )


def _everything(composition: Composition) -> list[Explanation]:
    settings = flattened(saved_settings(composition.config))
    return [_explanation(composition, path, value) for path, value in settings.items()]


def _explanation(composition: Composition, path: str, value: Any) -> Explanation:
    config = composition.config
    given = explained(path, composition.trails.get(path, [Given(None, Origin("core default"))]))
    if path == "experiment.name" and path not in composition.trails:
        given = [made_name(short_name(config.model.name), short_name(config.dataset.name))]
    row = _described(config, path.split("."))
    return Explanation(path, as_text(value), given, row.get("type", ""), row.get("description", ""))


def _described(section: Any, keys: list[str]) -> Mapping[str, str]:
    *parents, last = keys
    for key in parents:
        section = section.get(key) if isinstance(section, Mapping) else getattr(section, key, None)
    if not isinstance(section, BaseModel):
        return {}
    return next((row for row in described(type(section)) if row["name"] == last), {})
