"""Registered models: versions, the stages they stand in, and the memory of who moved them, when and why."""

from framework_core.model_registry.files import model_files as model_files
from framework_core.model_registry.kept_files import Artifact as Artifact
from framework_core.model_registry.kept_files import artifacts as artifacts
from framework_core.model_registry.kept_files import fetch as fetch
from framework_core.model_registry.lookup import RegisteredModel as RegisteredModel
from framework_core.model_registry.lookup import find as find
from framework_core.model_registry.lookup import model as model
from framework_core.model_registry.lookup import models as models
from framework_core.model_registry.memory import Examined as Examined
from framework_core.model_registry.memory import Moment as Moment
from framework_core.model_registry.memory import at as at
from framework_core.model_registry.memory import history as history
from framework_core.model_registry.memory import verify as verify
from framework_core.model_registry.promotion import demote as demote
from framework_core.model_registry.promotion import promote as promote
from framework_core.model_registry.promotion import rollback as rollback
from framework_core.model_registry.record import Record as Record
from framework_core.model_registry.registering import register as register
from framework_core.model_registry.version import Version as Version
from framework_core.model_registry.version import read_reference as read_reference
