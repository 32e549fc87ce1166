"""Registered models: versions, the stages they stand in, and the memory of who moved them, when and why."""

from framework_core.model_registry.files import model_files
from framework_core.model_registry.kept_files import Artifact, artifacts, fetch
from framework_core.model_registry.lookup import RegisteredModel, find, model, models
from framework_core.model_registry.memory import Examined, Moment, at, history, verify
from framework_core.model_registry.promotion import demote, promote, rollback
from framework_core.model_registry.record import Record
from framework_core.model_registry.registering import register
from framework_core.model_registry.retention import Leftover, leftovers, remove
from framework_core.model_registry.version import Version, read_reference

__all__ = [
    "Artifact",
    "Examined",
    "Leftover",
    "Moment",
    "Record",
    "RegisteredModel",
    "Version",
    "artifacts",
    "at",
    "demote",
    "fetch",
    "find",
    "history",
    "leftovers",
    "model",
    "model_files",
    "models",
    "promote",
    "read_reference",
    "register",
    "remove",
    "rollback",
    "verify",
]
