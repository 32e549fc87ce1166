"""The settings of the registry of models, of the project in the working directory."""

from __future__ import annotations

from framework_core.config.project_section import project_section
from framework_core.contracts.config import RegistryConfig


def registry_settings() -> RegistryConfig:
    """What ``mlops.registry`` of ``config.yaml`` here says; the defaults where there is none.

    Raises:
        ConfigError: Settings that are not allowed.
        ConfigFileError: The file cannot be read.
    """
    return project_section("mlops.registry", RegistryConfig)
