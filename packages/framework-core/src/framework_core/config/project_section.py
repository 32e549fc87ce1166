"""One section of the settings of the project in the working directory, for commands that compose none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from framework_core.config.project import SETTINGS_FILE
from framework_core.config.references import resolved_where_possible
from framework_core.contracts.validation import validated
from framework_core.errors import ConfigFileError, ConfigProblem
from framework_core.wording import PHRASES, told_together

Settings = TypeVar("Settings", bound=BaseModel)


def project_section(path: str, settings_class: type[Settings]) -> Settings:
    """What a section of ``config.yaml`` here says; the defaults where there is none.

    Args:
        path: Where it stands: ``mlops.registry``.
        settings_class: What is allowed in it.

    Raises:
        ConfigError: Settings that are not allowed.
        ConfigFileError: The file cannot be read.
    """
    file = Path(SETTINGS_FILE)
    section = _section(file, path) if file.is_file() else {}
    if not isinstance(section, Mapping):
        raise told_together([ConfigProblem(path, f"must be {PHRASES['dict']}", value=section)])
    found, problems = validated(settings_class, section, prefix=path)
    if found is None:
        raise told_together(problems)
    return found


def _section(file: Path, path: str) -> Any:
    try:
        written = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigFileError(file, str(error).partition("\n")[0]) from error
    found: Any = resolved_where_possible(written) if isinstance(written, dict) else {}
    for key in path.split("."):
        found = found.get(key) or {} if isinstance(found, Mapping) else {}
    return found
