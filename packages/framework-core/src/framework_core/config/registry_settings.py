"""The settings of the registry of models, of the project in the working directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from framework_core.config.project import SETTINGS_FILE
from framework_core.config.references import resolved_where_possible
from framework_core.contracts.config import RegistryConfig
from framework_core.contracts.validation import validated
from framework_core.errors import ConfigFileError, ConfigProblem
from framework_core.wording import PHRASES, told_together

SECTION = "mlops.registry"


def registry_settings() -> RegistryConfig:
    """What ``mlops.registry`` of ``config.yaml`` here says; the defaults where there is none.

    Raises:
        ConfigError: Settings that are not allowed.
        ConfigFileError: The file cannot be read.
    """
    file = Path(SETTINGS_FILE)
    section = _section(file) if file.is_file() else {}
    if not isinstance(section, Mapping):
        raise told_together([ConfigProblem(SECTION, f"must be {PHRASES['dict']}", value=section)])
    found, problems = validated(RegistryConfig, section, prefix=SECTION)
    if found is None:
        raise told_together(problems)
    return found


def _section(file: Path) -> Any:
    try:
        written = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigFileError(file, str(error).partition("\n")[0]) from error
    found: Any = resolved_where_possible(written) if isinstance(written, dict) else {}
    for key in SECTION.split("."):
        found = found.get(key) or {} if isinstance(found, Mapping) else {}
    return found
