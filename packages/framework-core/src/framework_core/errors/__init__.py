"""Every error a user can meet, in one tree.

    FrameworkError                 exit 1    something that was allowed went wrong
    ├── RequestError               exit 2    what was asked for cannot be done
    │   ├── UsageError                       a command line that cannot be read
    │   │   ├── UnknownCommandError          a command that is none
    │   │   ├── UnknownOptionError           an option that the command does not have
    │   │   ├── MissingWordError             a word that the command cannot do without
    │   │   ├── OptionValueError             a value that an option does not take
    │   │   └── ConflictingOptionsError      options that cannot stand together
    │   ├── UnknownNameError                 a name that nothing installed offers
    │   ├── AmbiguousNameError               a name that two packages offer
    │   ├── ImportTargetError                a file.py:Class or package.module:Class that cannot be used
    │   ├── MissingPackageError              something that has to be installed first
    │   ├── NoSuchPackageError               a package that is to be looked at and is not there
    │   ├── NotInstallableError              a wheel or a folder that cannot be installed to be looked at
    │   ├── NotCertifiableError              a package whose files may change at any time
    │   ├── ConfigError                      settings that are not allowed, all of them at once
    │   ├── ConfigFileError                  a settings file that cannot be read
    │   ├── DataError                        data that cannot be used
    │   ├── ContractError                    a model and data that do not fit each other
    │   ├── NothingFoundError                a search for a setting that ended without one
    │   ├── RunNotFoundError                 a run that is not there
    │   ├── RunInUseError                    a run that another process records
    │   ├── StepNotFoundError                a step that a run does not have
    │   ├── RunSearchError                   a search for runs that cannot be read
    │   ├── OutputError                      a place that cannot be written to
    │   ├── FilesInTheWayError               files that are there and are not overwritten
    │   ├── ExportError                      a model that cannot be written in a format
    │   ├── ServeError                       a model that cannot answer requests
    │   ├── TrackingError                    a tracking store that cannot be used
    │   ├── PortTakenError                   a port that another program serves
    │   ├── VersionNotFoundError             a version of a registered model that is not there
    │   └── RegistryError                    a version that cannot be registered, moved or used
    ├── PluginError                          a broken plugin, where ``--strict`` asked for none
    ├── OutOfMemoryError                     a model or a batch that the memory does not hold
    ├── NotFiniteError                       a loss, gradient or weight that is NaN or infinite
    ├── LossSpikeError                       a loss far above the last ones
    ├── WorkerError                          a process that loads data and died, or takes too long
    ├── ProcessesError                       processes that train together and lose each other
    ├── HangError                            a run in which nothing has moved for too long
    ├── CheckpointError                      a checkpoint that cannot be written, or is damaged
    ├── ProofError                           a proof whose training does not run
    ├── RebuildError                         an environment of a run that cannot be built again
    ├── PromotionRefusedError                a version that does not have what its stage needs
    ├── StageTakenError                      a stage that somebody else has changed meanwhile
    └── RunInterrupted             exit 130  stopped from outside, with a checkpoint

An error keeps its facts as attributes and says three things: what is wrong, in the user's own words and
values; what is possible; what to type next. The example of each is run by a test, which holds that it says just that.
"""

from framework_core.errors.base import FrameworkError, RequestError, quoted
from framework_core.errors.command_line import (
    ConflictingOptionsError,
    MissingWordError,
    OptionValueError,
    UnknownCommandError,
    UnknownOptionError,
    UsageError,
)
from framework_core.errors.components import (
    ContractError,
    DataError,
    NoSuchPackageError,
    NotCertifiableError,
    NotInstallableError,
    PluginError,
)
from framework_core.errors.model_registry import (
    GateFinding,
    PromotionRefusedError,
    RegistryError,
    StageTakenError,
    VersionNotFoundError,
)
from framework_core.errors.names import AmbiguousNameError, ImportTargetError, MissingPackageError, UnknownNameError
from framework_core.errors.runs import (
    CheckpointError,
    FilesInTheWayError,
    OutputError,
    ProofError,
    RebuildError,
    RunInterrupted,
    RunInUseError,
    RunNotFoundError,
    StepNotFoundError,
)
from framework_core.errors.serving import ExportError, PortTakenError, ServeError
from framework_core.errors.settings import ConfigError, ConfigFileError, ConfigProblem
from framework_core.errors.tracking import RunSearchError, TrackingError
from framework_core.errors.training import (
    HangError,
    LossSpikeError,
    NotFiniteError,
    NothingFoundError,
    OutOfMemoryError,
    ProcessesError,
    WorkerError,
)
from framework_core.spelling import near_names

__all__ = [
    "AmbiguousNameError",
    "CheckpointError",
    "ConfigError",
    "ConfigFileError",
    "ConfigProblem",
    "ConflictingOptionsError",
    "ContractError",
    "DataError",
    "ExportError",
    "FilesInTheWayError",
    "FrameworkError",
    "GateFinding",
    "HangError",
    "ImportTargetError",
    "LossSpikeError",
    "MissingPackageError",
    "MissingWordError",
    "NoSuchPackageError",
    "NotCertifiableError",
    "NotFiniteError",
    "NotInstallableError",
    "NothingFoundError",
    "OptionValueError",
    "OutOfMemoryError",
    "OutputError",
    "PluginError",
    "PortTakenError",
    "ProcessesError",
    "PromotionRefusedError",
    "ProofError",
    "RebuildError",
    "RegistryError",
    "RequestError",
    "RunInUseError",
    "RunInterrupted",
    "RunNotFoundError",
    "RunSearchError",
    "ServeError",
    "StageTakenError",
    "StepNotFoundError",
    "TrackingError",
    "UnknownCommandError",
    "UnknownNameError",
    "UnknownOptionError",
    "UsageError",
    "VersionNotFoundError",
    "WorkerError",
    "near_names",
    "quoted",
]
