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

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from framework_core.secrets import conceal
from framework_core.spelling import near_names as near_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


class FrameworkError(Exception):
    """An expected error: it is shown without a traceback.

    Args:
        what: What is wrong, in the user's own words and values.
        possible: What would have been right.
        next_step: What to type next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, possible: str = "", next_step: str = "") -> None:
        self.what = conceal(what)
        self.possible = conceal(possible)
        self.next_step = conceal(next_step)
        super().__init__(self.what)

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.possible, self.next_step) if part)


class RequestError(FrameworkError):
    """What was asked for cannot be done; nothing was started."""

    exit_code = 2


class UsageError(RequestError):
    """A command line that cannot be read.

    Args:
        what: What is wrong with it.
        command: The command, as far as it is one: ``"fw train"``.
        possible: What would have been right.
        next_step: What to type next; without it, where the command is explained.

    Example::

        $ fw ui now
        error: fw ui takes nothing more, so what is 'now'?
          Its options may follow, and nothing else.
          See what it takes: fw ui --help
    """

    def __init__(self, what: str, *, command: str, possible: str = "", next_step: str = "") -> None:
        self.command = command
        super().__init__(what, possible=possible, next_step=next_step or f"See what it takes: {command} --help")


class UnknownCommandError(UsageError):
    """A command that is none.

    Args:
        command: The command above it: ``"fw"``, ``"fw list"``.
        name: The name as it was typed.
        known: Every command there.

    Example::

        $ fw trian
        error: There is no command 'fw trian'.
          Near it: fw train.
          See what it takes: fw --help
    """

    def __init__(self, command: str, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = sorted(known)
        self.near = near_names(name, self.known)
        possible = _near_or_all(self.near, self.known, before=f"{command} ")
        super().__init__(f"There is no command {f'{command} {name}'!r}.", command=command, possible=possible)


class UnknownOptionError(UsageError):
    """An option that the command does not have.

    Args:
        command: The command: ``"fw train"``.
        option: The option as it was typed.
        known: Every option of the command.

    Example::

        $ fw train --modle mine.py:Net
        error: fw train has no option '--modle'.
          Near it: --model.
          See what it takes: fw train --help
    """

    def __init__(self, command: str, option: str, known: Iterable[str]) -> None:
        self.option = option
        self.known = sorted(known)
        self.near = near_names(option, [each for each in self.known if each.startswith("--")])
        what = f"{command} has no option {option!r}."
        super().__init__(what, command=command, possible=_near_or_all(self.near, self.known))


class MissingWordError(UsageError):
    """A word that the command cannot do without.

    Args:
        command: The command: ``"fw info model"``.
        word: What is missing: an argument, or the value of an option.
        about: What it is for.

    Example::

        $ fw info optimizer
        error: fw info optimizer needs NAME.
          NAME: Its name.
          See what it takes: fw info optimizer --help
    """

    def __init__(self, command: str, word: str, about: str = "") -> None:
        self.word = word
        self.about = about
        super().__init__(f"{command} needs {word}.", command=command, possible=f"{word}: {about}" if about else "")


class OptionValueError(UsageError):
    """A value that an option does not take.

    Args:
        command: The command: ``"fw evaluate"``.
        option: The option: ``"--split"``.
        value: The value as it was typed.
        cause: What is wrong with it, where it is not a word of a few.
        known: The words that are possible, where there are only a few.

    Example::

        $ fw evaluate first --split tst
        error: --split cannot be 'tst'.
          Near it: test.
          See what it takes: fw evaluate --help
    """

    def __init__(self, command: str, option: str, value: str, *, cause: str = "", known: Iterable[str] = ()) -> None:
        self.option = option
        self.value = value
        self.cause = cause
        self.known = list(known)
        self.near = near_names(value, self.known)
        what = f"{option} cannot be {value!r}{f': {cause}' if cause else '.'}"
        super().__init__(what, command=command, possible=_near_or_all(self.near, self.known) if self.known else "")


class ConflictingOptionsError(UsageError):
    """Options that cannot stand together.

    Args:
        command: The command: ``"fw train"``.
        options: The options.
        cause: Why they cannot.
        next_step: What to type instead.

    Example::

        $ fw train --resume first --config night.yaml
        error: --resume and --config cannot stand together: a run is continued with its own settings.
          One of them is possible, or single settings beside --resume.
          Change single settings: fw train --resume RUN KEY=VALUE
    """

    def __init__(
        self, command: str, options: Sequence[str], cause: str, *, possible: str = "", next_step: str = ""
    ) -> None:
        self.options = tuple(options)
        self.cause = cause
        what = f"{' and '.join(options)} cannot stand together: {cause}"
        possible = possible or "One of them is possible."
        super().__init__(what, command=command, possible=possible, next_step=next_step)


class UnknownNameError(RequestError):
    """A model, dataset, optimizer ... that nothing installed offers.

    Args:
        kind: What the name should have been: ``"model"``, ``"dataset"`` ...
        name: The name as it was typed.
        known: Every name that is offered.
        listing: The command that lists what is offered.
        hint: What would provide the name, where that is known.

    Example::

        $ fw info optimizer adamm
        error: There is no optimizer named 'adamm'.
          Near it: adam, adamw, nadam.
          List them all: fw list optimizers
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listing: str = "", hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        self.hint = hint
        self.near = near_names(name, self.known)
        if self.near:
            possible = f"Near it: {', '.join(self.near)}."
        elif self.known:
            possible = f"There are {len(self.known)}: {_shortened(self.known)}"
        else:
            possible = f"No {kind} is installed."
        next_step = hint or (f"List them all: {listing}" if listing else "")
        super().__init__(f"There is no {kind} named {name!r}.", possible=possible, next_step=next_step)


class AmbiguousNameError(RequestError):
    """One name that two packages offer.

    Args:
        kind: What is named: ``"model"``, ``"dataset"`` ...
        name: The name both use.
        owners: The distributions that offer it.

    Example::

        $ fw info model gnu
        error: The model 'gnu' is offered by 2 packages: herd-a and herd-b.
          Choose one: herd-a:gnu or herd-b:gnu.
          Or switch a plugin off for this command: --without PLUGIN (fw list plugins)
    """

    def __init__(self, kind: str, name: str, owners: Sequence[str]) -> None:
        self.kind = kind
        self.name = name
        self.owners = tuple(owners)
        super().__init__(
            f"The {kind} {name!r} is offered by {len(owners)} packages: {' and '.join(owners)}.",
            possible=f"Choose one: {' or '.join(f'{owner}:{name}' for owner in owners)}.",
            next_step="Or switch a plugin off for this command: --without PLUGIN (fw list plugins)",
        )


class ImportTargetError(RequestError):
    """A ``file.py:Class`` or ``package.module:Class`` that cannot be used.

    Args:
        target: What was to be imported, as it was typed.
        cause: Why it cannot be used.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw train --model mine.py:Nett --dataset mine.py:Iris
        error: 'mine.py:Nett' cannot be used: mine.py has no 'Nett'.
          It has Net.
          Name a class that is there: path/to/file.py:Class or package.module:Class
    """

    def __init__(self, target: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.target = target
        self.cause = cause
        next_step = next_step or "Name a class that is there: path/to/file.py:Class or package.module:Class"
        super().__init__(f"{target!r} cannot be used: {cause}", possible=possible, next_step=next_step)


class MissingPackageError(RequestError):
    """Something that has to be installed first.

    Args:
        package: The import name that is missing.
        needed_for: What needs it, in the user's words.
        requirement: What to give to ``pip install``.

    Example::

        $ fw train --model needy --dataset mine.py:Iris
        error: The model 'needy' needs the package 'quite-rare', which is not installed.
          Everything else works without it.
          Install it: pip install 'quite-rare>=2'
    """

    def __init__(self, package: str, *, needed_for: str, requirement: str) -> None:
        self.package = package
        self.needed_for = needed_for
        self.requirement = requirement
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed.",
            possible="Everything else works without it.",
            next_step=f"Install it: pip install {quoted(requirement)}",
        )


class ConfigProblem:
    """One setting that is not allowed.

    Args:
        path: Where it stands, dotted: ``"trainer.max_epochs"``.
        message: What is wrong with it and what is allowed.
        value: The value as it was given; ``None`` where the key itself is the problem.
        near: Names that may have been meant, the most likely first.
    """

    def __init__(self, path: str, message: str, *, value: object = None, near: Sequence[str] = ()) -> None:
        self.path = path
        self.message = message
        self.value = value
        self.near = tuple(near)

    def __str__(self) -> str:
        meant = f" Did you mean {' or '.join(self.near[:2])}?" if self.near else ""
        given = "" if self.value is None else f" (given: {self.value!r})"
        return f"{self.path}: {self.message}{given}.{meant}"


class ConfigError(RequestError):
    """Settings that are not allowed, all of them at once.

    Args:
        problems: What is wrong with each, and what is possible.
        next_step: What to type next.

    Example::

        $ fw config validate model=mine.py:Net dataset=mine.py:Iris trainer.max_epoch=30 optimizer.lr=-1
        error: 2 settings are not allowed:
            trainer.max_epoch: there is no such setting. Did you mean trainer.max_epochs or trainer.min_epochs?
            optimizer.lr: must be more than 0 (given: -1).
          See every setting with its value: fw config show
    """

    def __init__(self, problems: Sequence[ConfigProblem], *, next_step: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "A setting is not allowed:" if count == 1 else f"{count} settings are not allowed:"
        super().__init__(
            "\n".join([head, *(f"  {problem}" for problem in self.problems)]),
            next_step=next_step or "See every setting with its value: fw config show",
        )


class ConfigFileError(RequestError):
    """A settings file that cannot be read.

    Args:
        path: The file.
        cause: What is wrong with it.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw train --config nigth.yaml
        error: The settings file nigth.yaml cannot be used: there is no such file.
          Near it: night.yaml
          Make one with every setting in it: fw config show model=NAME > my.yaml
    """

    def __init__(self, path: Path | str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(
            f"The settings file {self.path} cannot be used: {cause}",
            possible=possible,
            next_step=next_step or "Make one with every setting in it: fw config show model=NAME > my.yaml",
        )


class DataError(RequestError):
    """Data that cannot be used.

    Args:
        what: What is wrong with it.
        paths: The files or folders it is about.
        possible: What the data should look like.
        next_step: What to do about it.

    Example::

        $ fw predict last nowhere.txt
        error: There is no file nowhere.txt.
          Files are named one by one, or by the folder that they are in.
          See what is here: ls .
    """

    def __init__(self, what: str, *, paths: Sequence[Path | str] = (), possible: str = "", next_step: str = "") -> None:
        self.paths = tuple(str(path) for path in paths)
        next_step = next_step or "See what each dataset takes: fw info dataset NAME"
        super().__init__(what, possible=possible, next_step=next_step)


class ContractError(RequestError):
    """A model and data that do not fit each other.

    Args:
        subject: What was checked, for example ``"model 'resnet50' on dataset 'digits'"``.
        violations: One sentence for each thing that does not fit.
        next_step: What to change.

    Example::

        $ fw train --model mine.py:Net --dataset misfit.py:Pictures
        error: The model 'Net' and the dataset 'Pictures' do not fit:
            the data is for image-classification, the model learns tabular-classification
          Find a model for this data: fw list models --task image-classification
    """

    def __init__(self, subject: str, violations: Sequence[str], *, next_step: str = "") -> None:
        self.subject = subject
        self.violations = tuple(violations)
        super().__init__(
            "\n".join([f"{subject}:", *(f"  {line}" for line in violations)]),
            next_step=next_step or "See what each takes: fw info model NAME, fw info dataset NAME",
        )


class NothingFoundError(RequestError):
    """A search for a setting that ended without one.

    Args:
        setting: What was looked for: ``"learning rate"``, ``"batch size"``.
        cause: Why there is none.
        possible: Where there would be one.
        next_step: What to type next.

    Example::

        $ fw find lr --model mine.py:Net --dataset mine.py:Iris optimizer=sgd --from 1e30 --to 1e38 --steps 30
        error: No learning rate was found: the loss ran away at once.
          It is looked for where the loss still falls.
          Begin lower: fw find lr --from 1e-8
    """

    def __init__(self, setting: str, cause: str, *, possible: str, next_step: str) -> None:
        self.setting = setting
        self.cause = cause
        super().__init__(f"No {setting} was found: {cause}", possible=possible, next_step=next_step)


class RunNotFoundError(RequestError):
    """A run that is not there, or is not complete enough for what was asked.

    Args:
        run: The run as it was named.
        cause: Where it was looked for, or what it lacks.
        known: The newest runs that are there.

    Example::

        $ fw evaluate lost
        error: There is no run 'lost': none in runs/ and none in the tracking store.
          The newest runs here: first.
          A run is named by its id, the beginning of its id, its name, its folder, or 'last'.
    """

    def __init__(self, run: str, cause: str, *, known: Sequence[str] = ()) -> None:
        self.run = run
        self.cause = cause
        self.known = tuple(known)
        super().__init__(
            f"There is no run {run!r}: {cause}" if cause else f"There is no run {run!r}.",
            possible=f"The newest runs here: {', '.join(self.known)}." if self.known else "There are no runs here yet.",
            next_step="A run is named by its id, the beginning of its id, its name, its folder, or 'last'.",
        )


class RunInUseError(RequestError):
    """A run that another process trains or sends.

    Args:
        run: Its name.

    Example::

        $ fw train --resume first
        error: The run 'first' is being recorded by another process.
          It can be continued or sent when that has ended.
          See how it stands: fw watch first
    """

    def __init__(self, run: str) -> None:
        self.run = run
        super().__init__(
            f"The run {run!r} is being recorded by another process.",
            possible="It can be continued or sent when that has ended.",
            next_step=f"See how it stands: fw watch {quoted(run)}",
        )


class StepNotFoundError(RequestError):
    """A step that a run does not have.

    Args:
        run: The run.
        step: The step that was asked for.
        last: Its last step.

    Example::

        $ fw replay first --step 99
        error: The run 'first' has no step 99.
          Its last step is 6.
          Ask for one it has: fw replay first --step 6
    """

    def __init__(self, run: str, step: int, *, last: int) -> None:
        self.run = run
        self.step = step
        self.last = last
        super().__init__(
            f"The run {run!r} has no step {step}.",
            possible=f"Its last step is {last}.",
            next_step=f"Ask for one it has: fw replay {quoted(run)} --step {last}",
        )


class OutputError(RequestError):
    """A place that cannot be written to.

    Args:
        path: The file or folder.
        cause: Why it cannot be written.
        possible: What can be.
        next_step: What to do about it.

    Example::

        $ fw predict last flower.txt -o table.xls
        error: Cannot write to table.xls: its ending names no format.
          Endings: .csv, .json, .jsonl, .parquet
          For example: -o table.csv
    """

    def __init__(self, path: Path | str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(f"Cannot write to {self.path}: {cause}", possible=possible, next_step=next_step)


class FilesInTheWayError(RequestError):
    """Files that are there already, and are not overwritten.

    Args:
        paths: The files.

    Example::

        $ fw init night.yaml --local
        error: Nothing was written, because night.yaml is there already.
          It is written into a folder that has none of its files.
          Move it out of the way, or choose another folder.
    """

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self.paths = tuple(str(path) for path in paths)
        there, them = ("is", "it") if len(self.paths) == 1 else ("are", "them")
        super().__init__(
            f"Nothing was written, because {' and '.join(self.paths)} {there} there already.",
            possible="It is written into a folder that has none of its files.",
            next_step=f"Move {them} out of the way, or choose another folder.",
        )


class ExportError(RequestError):
    """A model that cannot be written in a format.

    Args:
        cause: What stands in the way.
        model: The model.
        format: The format.
        others: Every format.

    Example::

        $ fw export forked --to onnx -o forked-onnx
        error: The model 'forked.py:Net' cannot be exported to onnx: what it gives is no tensor: dict.
          Other formats: torch-export, safetensors, mlflow
          Try another: fw export RUN --to mlflow -o FOLDER
    """

    def __init__(self, cause: str, *, model: str = "", format: str = "", others: Sequence[str] = ()) -> None:
        self.cause = cause
        self.model = model
        self.format = format
        self.others = tuple(others)
        what = f"The model {model!r} cannot be exported to {format}: {cause}." if model else f"{cause}."
        possible = [name for name in others if name != format]
        super().__init__(
            what,
            possible=f"Other formats: {', '.join(possible)}" if possible else "",
            next_step=f"Try another: fw export RUN --to {(possible or ['FORMAT'])[-1]} -o FOLDER",
        )

    def of(self, model: str, format: str, others: Sequence[str]) -> ExportError:
        """The same, with the model and the format that it is about."""
        return ExportError(self.cause, model=model, format=format, others=others)


class ServeError(RequestError):
    """A model that cannot answer requests.

    Args:
        subject: What was named.
        cause: What is wrong with it.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw serve empty
        error: empty cannot be served: it has no export.json.
          What is served: a run, or the folder of an exported model.
          Write one: fw export RUN --to onnx -o FOLDER
    """

    def __init__(self, subject: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.subject = subject
        self.cause = cause
        super().__init__(
            f"{subject} cannot be served: {cause}.",
            possible=possible or "What is served: a run, or the folder of an exported model.",
            next_step=next_step or "Write one: fw export RUN --to onnx -o FOLDER",
        )


class TrackingError(RequestError):
    """A tracking store that cannot be used.

    Args:
        uri: Its address, without credentials.
        cause: What is wrong with it.
        possible: What would have been right.
        next_step: What to do about it.

    Example::

        $ fw train --model mine.py:Net --dataset mine.py:Iris mlops.tracking.uri=http://127.0.0.1:9
        error: The tracking store http://127.0.0.1:9 cannot be used: nothing answers there.
          A store is a SQLite file (sqlite:///mlflow.db), an MLflow server (http://SERVER:5000), or what a package adds.
          Use another with mlops.tracking.uri=URI, or send the run there later: mlops.tracking.offline=true
    """

    def __init__(self, uri: str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.uri = uri
        self.cause = cause
        stores = "a SQLite file (sqlite:///mlflow.db), an MLflow server (http://SERVER:5000), or what a package adds"
        super().__init__(
            f"The tracking store {uri} cannot be used: {cause}",
            possible=possible or f"A store is {stores}.",
            next_step=next_step
            or "Use another with mlops.tracking.uri=URI, or send the run there later: mlops.tracking.offline=true",
        )


class RunSearchError(RequestError):
    """A filter or an order of runs that MLflow cannot read.

    Args:
        where: The filter as it was typed.
        cause: What MLflow says of it.

    Example::

        $ fw runs list --filter "metric loss < 1"
        error: Runs cannot be searched by 'metric loss < 1': Invalid clause(s) in filter string: 'metric'
          A filter is MLflow's: metrics.`val/accuracy` > 0.9 and params.`model.name` = 'resnet50'
          See what a run has: fw runs list --json --limit 1
    """

    def __init__(self, where: str, cause: str) -> None:
        self.where = where
        self.cause = cause
        super().__init__(
            f"Runs cannot be searched by {where!r}: {cause}",
            possible="A filter is MLflow's: metrics.`val/accuracy` > 0.9 and params.`model.name` = 'resnet50'",
            next_step="See what a run has: fw runs list --json --limit 1",
        )


class PortTakenError(RequestError):
    """A port that another program serves.

    Args:
        port: The port.
        command: The command that was to serve there.

    Example::

        $ fw ui --port 5000
        error: Port 5000 is taken.
          Every other port from 1 to 65535 is possible.
          Choose another: fw ui --port 5001
    """

    def __init__(self, port: int, command: str = "fw ui") -> None:
        self.port = port
        self.command = command
        super().__init__(
            f"Port {port} is taken.",
            possible="Every other port from 1 to 65535 is possible.",
            next_step=f"Choose another: {command} --port {port % 65535 + 1}",
        )


class VersionNotFoundError(RequestError):
    """A version of a registered model that is not there.

    Args:
        name: The model.
        number: The version that was asked for.
        stage: The stage in which one was looked for.
        versions: Every version that there is.
        stages: The version in each stage.

    Example::

        $ fw registry show flowers 7
        error: There is no version 7 of the model 'flowers'.
          It has 1, 2.
          See which stands where: fw registry show flowers
    """

    def __init__(
        self,
        name: str,
        number: int | None = None,
        *,
        stage: str = "",
        versions: Sequence[int] = (),
        stages: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.stage = stage
        self.versions = tuple(versions)
        self.stages = dict(stages or {})
        if number is not None:
            what = f"There is no version {number} of the model {name!r}."
            possible = f"It has {', '.join(map(str, self.versions))}." if self.versions else "It has none."
        elif stage:
            what = f"No version of the model {name!r} stands in {stage!r}."
            near = near_names(stage, self.stages)
            meant = f"Near it: {', '.join(near)}." if near else ""
            held = ", ".join(f"{each} in {place}" for place, each in self.stages.items())
            possible = meant or (f"There are version {held}." if held else "None stands in any stage.")
        else:
            what = f"{name!r} names no version of a registered model."
            possible = "A version is named NAME@STAGE or NAME/NUMBER: digits@production, digits/3."
        show = f"fw registry show {quoted(name)}" if number is not None or stage else "fw registry list"
        super().__init__(what, possible=possible, next_step=f"See which stands where: {show}")


class RegistryError(RequestError):
    """A version that cannot be registered, moved or used as was asked.

    Args:
        what: What is wrong.
        possible: What would have been right.
        next_step: What to type next.

    Example::

        $ fw registry promote flowers 1 dev
        error: flowers/1 cannot be promoted to 'dev': every version begins there.
          Stages above it: staging, production.
          Take it out of its stage: fw registry demote flowers 1
    """


class NoSuchPackageError(RequestError):
    """A package that is to be looked at and is not there.

    Args:
        package: What was typed.

    Example::

        $ fw plugin check frog
        error: There is no package 'frog': nothing of that name is installed, and no such wheel or folder is here.
          An installed package, a wheel, or a folder with a pyproject.toml can be checked.
          See what is installed: fw list plugins
    """

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"There is no package {package!r}: nothing of that name is installed, and no such wheel or folder is here.",
            possible="An installed package, a wheel, or a folder with a pyproject.toml can be checked.",
            next_step="See what is installed: fw list plugins",
        )


class NotInstallableError(RequestError):
    """A wheel or a folder that cannot be installed to be looked at.

    Args:
        source: The wheel or folder.
        cause: Why not.

    Example::

        $ fw plugin check frog-1.0-cp27-none-any.whl
        error: frog-1.0-cp27-none-any.whl cannot be installed: it is for cp27-none-any, which this Python is not
          Nothing was changed: it would have gone into a folder of its own.
          Build one with: python -m build --wheel, in the folder of its pyproject.toml
    """

    def __init__(self, source: Path, cause: str) -> None:
        self.source = source
        self.cause = cause
        super().__init__(
            f"{source.name} cannot be installed: {cause}",
            possible="Nothing was changed: it would have gone into a folder of its own.",
            next_step="Build one with: python -m build --wheel, in the folder of its pyproject.toml",
        )


class NotCertifiableError(RequestError):
    """A package whose files may change at any time, so that a certificate would say nothing.

    Args:
        package: The package, as it was typed.
        cause: Why it is such a one.

    Example::

        $ fw plugin check frog-dist --certify
        error: frog-dist cannot be certified: it is run from its source, which changes.
          A certificate belongs to a wheel, or to what was installed from one.
          Build one, then: fw plugin check dist/NAME.whl --certify
    """

    def __init__(self, package: str, cause: str) -> None:
        self.package = package
        self.cause = cause
        super().__init__(
            f"{package} cannot be certified: {cause}.",
            possible="A certificate belongs to a wheel, or to what was installed from one.",
            next_step="Build one, then: fw plugin check dist/NAME.whl --certify",
        )


class PluginError(FrameworkError):
    """A broken plugin, where ``--strict`` asked for none.

    Args:
        plugin: The plugin.
        distribution: The package that it belongs to.
        version: The package's version.
        cause: What is wrong with it.

    Example::

        $ fw list plugins --strict
        error: The plugin 'wreck' of wreck-dist 1.2.3 is broken: ImportError: no luck
          Without --strict the command goes on without it.
          Switch it off with --without wreck, or update it: pip install -U wreck-dist
    """

    def __init__(self, plugin: str, distribution: str, version: str, cause: str) -> None:
        self.plugin = plugin
        self.distribution = distribution
        self.version = version
        self.cause = cause
        super().__init__(
            f"The plugin {plugin!r} of {distribution} {version} is broken: {cause}",
            possible="Without --strict the command goes on without it.",
            next_step=f"Switch it off with --without {plugin}, or update it: pip install -U {distribution}",
        )


class OutOfMemoryError(FrameworkError):
    """A model or a batch that the memory does not hold.

    Args:
        wanted: How much was asked for at last, in words.
        batch_size: The samples of a batch; ``None`` where that is not known.
        fits: A batch size that was tried and fits; ``None`` where none was found.
        accumulated: How many batches make one step now.
        folder: Where everything that is known was written; ``None`` where nothing had been started.

    Example::

        $ fw train --model mine.py:Net --dataset mine.py:Iris model.width=1000000000000
        error: The memory does not hold the model and its batches: 16,000.0 GB more were asked for.
          A smaller model, smaller batches or shorter numbers take less.
          Try half of it: dataset.batch_size=8, or trainer.precision=bf16-mixed
    """

    def __init__(
        self,
        wanted: str,
        *,
        batch_size: int | None = None,
        fits: int | None = None,
        accumulated: int = 1,
        folder: Path | None = None,
    ) -> None:
        self.wanted = wanted
        self.batch_size = batch_size
        self.fits = fits
        self.accumulated = accumulated
        self.folder = folder
        half = (batch_size or 0) // 2
        smaller = f"Try half of it: dataset.batch_size={half}, or " if half else "Try "
        possible = "A smaller model, smaller batches or shorter numbers take less."
        next_step = f"{smaller}trainer.precision=bf16-mixed"
        if fits and batch_size:
            possible = f"Batches of {fits} fit: a few steps with them were tried just now."
            many = -(-batch_size * accumulated // fits)
            take = f"dataset.batch_size={fits} trainer.accumulate_grad_batches={many}"
            next_step = (
                f"Take it, with as many samples a step: {take}"
                "\nOr keep the batch: trainer.precision=bf16-mixed, performance.gradient_checkpointing=true"
            )
        super().__init__(
            f"The memory does not hold the model and its batches: {wanted} more were asked for.",
            possible=possible,
            next_step=(f"Everything that is known: {folder}\n" if folder else "") + next_step,
        )


class NotFiniteError(FrameworkError):
    """A loss, gradient or weight that is NaN or infinite.

    Args:
        what: What it is, in words.
        origin: Where it began, in words.
        step: The optimizer step, from 1.
        samples: The numbers of the batch's samples in the dataset.
        folder: Where everything that is known was written.

    Example::

        $ fw train -m trouble.py:NotFinite -d mine.py:Iris experiment.run_name=wild
        error: In step 8 the loss is nan: the first layer whose output is not finite is 'model.1'.
          No checkpoint was written after it.
          The samples of the batch: 25, 82, 51, 24, 37, 44, 81, 43, 41, 77, 58, 32, 19, 73, 18, 10.
          Everything that is known: runs/wild/failures/1-not-finite
          See the step again: fw replay wild --step 8
          Go on without such batches: faults.not_finite=skip, or faults.not_finite=rollback
    """

    def __init__(self, what: str, origin: str, *, step: int, samples: Sequence[int] = (), folder: Path) -> None:
        self.what = what
        self.origin = origin
        self.step = step
        self.samples = tuple(samples)
        self.folder = folder
        run = quoted(folder.parent.parent.name)
        super().__init__(
            f"In step {step} {what}: {origin}.",
            possible=f"No checkpoint was written after it.\n{_batch_of(self.samples)}".strip(),
            next_step=f"Everything that is known: {folder}\nSee the step again: fw replay {run} --step {step}\n"
            "Go on without such batches: faults.not_finite=skip, or faults.not_finite=rollback",
        )


class LossSpikeError(FrameworkError):
    """A loss far above the last ones, where ``faults.loss_spike`` asked to stop.

    Args:
        what: How far, in words.
        origin: Where it began, in words.
        step: The optimizer step, from 1.
        samples: The numbers of the batch's samples in the dataset.
        folder: Where everything that is known was written.

    Example::

        $ fw train -m trouble.py:Spike -d mine.py:Iris model.at=20 faults.loss_spike=stop experiment.run_name=high
        error: In step 20 the loss is 110, and the last ones lie below 1.72.
          The samples of the batch: 51, 20, 38, 6, 72, 52, 37, 78, 83, 32, 34, 26, 73, 33, 45, 30.
          Everything that is known: runs/high/failures/1-loss-spike
          See the step again: fw replay high --step 20
          Go back and on without such batches: faults.loss_spike=rollback
    """

    def __init__(self, what: str, origin: str, *, step: int, samples: Sequence[int] = (), folder: Path) -> None:
        self.what = what
        self.origin = origin
        self.step = step
        self.samples = tuple(samples)
        self.folder = folder
        run = quoted(folder.parent.parent.name)
        super().__init__(
            f"In step {step} {what}.",
            possible=_batch_of(self.samples),
            next_step=f"Everything that is known: {folder}\nSee the step again: fw replay {run} --step {step}\n"
            "Go back and on without such batches: faults.loss_spike=rollback",
        )


class WorkerError(FrameworkError):
    """A process that loads data and died, or takes too long.

    Args:
        what: What happened to it.
        likely: The likely cause.
        remedy: What to type next.
        folder: Where everything that is known was written.

    Example::

        $ fw train -m mine.py:Net -d trouble.py:Dying experiment.run_name=torn
        error: A process that loads data died: it was ended by SIGKILL.
          Likely: somebody or a job manager ended it; memory did not run out.
          Everything that is known: runs/torn/failures/1-worker
          Take fewer processes, which hold fewer batches: dataset.num_workers=1
    """

    def __init__(self, what: str, *, likely: str, remedy: str, folder: Path | None = None) -> None:
        self.what = what
        self.likely = likely
        self.remedy = remedy
        self.folder = folder
        known = f"Everything that is known: {folder}\n" if folder else ""
        super().__init__(f"A process that loads data {what}.", possible=f"Likely: {likely}.", next_step=known + remedy)


class ProcessesError(FrameworkError):
    """Processes that train together and lose each other, or never find each other.

    Args:
        what: What happened.
        likely: The likely cause.
        remedy: What to type next.

    Example::

        $ fw train -m trouble.py:Lonely -d mine.py:Iris strategy=ddp trainer.devices=2
        error: A step left parameters of the model unused, and DDP waits for their gradients.
          Likely: a branch that was not taken, or a layer that the loss does not depend on.
          Let DDP look: strategy=ddp_find_unused_parameters_true
    """

    def __init__(self, what: str, *, likely: str, remedy: str) -> None:
        self.likely = likely
        self.remedy = remedy
        super().__init__(f"{what}.", possible=f"Likely: {likely}.", next_step=remedy)


class HangError(FrameworkError):
    """A run in which nothing has moved for too long.

    Args:
        seconds: For how long.
        folder: Where the stacks of all threads were written.

    Example::

        $ fw train -m trouble.py:Stuck -d mine.py:Iris faults.hang_seconds=1 faults.hang=stop experiment.run_name=stuck
        error: Nothing has moved for 1 s: no step ended.
          What every thread was doing: runs/stuck/failures/1-hang/stacks.txt
          Give it more time: faults.hang_seconds=10
    """

    def __init__(self, seconds: float, folder: Path) -> None:
        self.seconds = seconds
        self.folder = folder
        super().__init__(
            f"Nothing has moved for {seconds:g} s: no step ended.",
            possible=f"What every thread was doing: {folder / 'stacks.txt'}",
            next_step=f"Give it more time: faults.hang_seconds={seconds * 10:g}",
        )


class CheckpointError(FrameworkError):
    """A checkpoint that cannot be written, or is damaged.

    Args:
        path: The checkpoint.
        cause: What is wrong with it.
        possible: What there is besides.
        next_step: What to do about it.

    Example::

        $ fw evaluate broken
        error: The checkpoint runs/broken/checkpoints/best-epoch0-step6.ckpt is damaged: weights.safetensors is missing.
          Others of the run may be whole: ls runs/broken/checkpoints
          Go on from the newest that is: fw train --resume broken
    """

    def __init__(self, path: Path | str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(f"The checkpoint {self.path} {cause}.", possible=possible, next_step=next_step)


class ProofError(FrameworkError):
    """A proof whose training does not run, so that there is nothing to compare.

    Args:
        code: The exit code of the training.
        said: Its last words.

    Example::

        $ fw verify resume --model fails.py:Net --dataset mine.py:Iris
        error: The training that was to be compared ended with exit code 1.
          It said last: ValueError: no luck
          Look at it alone: fw train with the same settings
    """

    def __init__(self, code: int, said: str) -> None:
        self.code = code
        self.said = said
        super().__init__(
            f"The training that was to be compared ended with exit code {code}.",
            possible=f"It said last: {said}" if said else "",
            next_step="Look at it alone: fw train with the same settings",
        )


class RebuildError(FrameworkError):
    """A run whose code or packages can no longer be had, so that it cannot be repeated in an environment of its own.

    Args:
        what: What is wrong.
        next_step: What to do about it.

    Example::

        $ fw reproduce first --in again
        error: The run was trained at commit 0123456789ab, and this folder is in no git repository.
          With the code and the packages that are here it can be repeated all the same: fw reproduce RUN
          Type this in the repository that has the commit.
    """

    def __init__(self, what: str, *, next_step: str = "") -> None:
        possible = "With the code and the packages that are here it can be repeated all the same: fw reproduce RUN"
        super().__init__(what, possible=possible, next_step=next_step)


class GateFinding(Protocol):
    """What a gate found."""

    @property
    def gate(self) -> str:
        """The gate."""

    @property
    def passed(self) -> bool:
        """Whether it lets the version through."""

    @property
    def told(self) -> str:
        """What it found."""


class PromotionRefusedError(FrameworkError):
    """A version that does not have what its stage needs.

    Args:
        version: The version.
        stage: The stage.
        findings: What each gate found.
        policy: The file that asks for it.

    Example::

        $ fw registry promote flowers 1 production
        error: flowers/1 is not promoted to production; 1 of 1 gates refuses it:
            metrics.test/accuracy: the run has no metric 'test/accuracy'
          What the stage needs stands in registry.yaml.
          Promote it all the same, which is remembered: add --force --why REASON
    """

    def __init__(self, version: str, stage: str, findings: Sequence[GateFinding], policy: str) -> None:
        self.version = version
        self.stage = stage
        self.findings = tuple(findings)
        self.policy = policy
        refused = [each for each in self.findings if not each.passed]
        refuse = "refuses" if len(refused) == 1 else "refuse"
        head = f"{version} is not promoted to {stage}; {len(refused)} of {len(self.findings)} gates {refuse} it:"
        super().__init__(
            "\n".join([head, *(f"  {each.gate}: {each.told}" for each in refused)]),
            possible=f"What the stage needs stands in {policy}.",
            next_step="Promote it all the same, which is remembered: add --force --why REASON",
        )


class StageTakenError(FrameworkError):
    """A stage that somebody else has changed meanwhile, so that nothing was done.

    Args:
        name: The model.
        stage: The stage.
        holds: The version that stands there; ``None`` where none does.
        expected: The version that was to stand there.
        who: Who changed it, and when; empty where nobody is known.

    Example::

        $ fw registry promote flowers 2 production --replaces 7
        error: Nothing was promoted: no version of flowers stands in production, and it was to be 7.
          What stood there when the promotion began has to stand there still.
          Look at it, and ask again: fw registry history flowers
    """

    def __init__(self, name: str, stage: str, *, holds: int | None, expected: int | None, who: str = "") -> None:
        self.name = name
        self.stage = stage
        self.holds = holds
        self.expected = expected
        self.who = who
        stands = "no version" if holds is None else f"version {holds}"
        was = "none" if expected is None else str(expected)
        super().__init__(
            f"Nothing was promoted: {stands} of {name} stands in {stage}{f' ({who})' if who else ''}, and it was to be "
            f"{was}.",
            possible="What stood there when the promotion began has to stand there still.",
            next_step=f"Look at it, and ask again: fw registry history {quoted(name)}",
        )


class RunInterrupted(FrameworkError):  # noqa: N818  # it is no fault
    """Stopped from outside (Ctrl-C, SIGTERM, SIGUSR1); the run can be continued.

    Args:
        cause: What stopped it, for example ``"Ctrl-C"``.
        run: The run to continue; empty where none had been started.

    Example::

        $ fw train --model mine.py:Net --dataset mine.py:Iris experiment.run_name=second trainer.max_epochs=9999
        ^C
        error: Stopped by Ctrl-C.
          There is a checkpoint, and the run is marked as interrupted.
          Continue it: fw train --resume second
    """

    exit_code = 130

    def __init__(self, cause: str, *, run: str = "") -> None:
        self.cause = cause
        self.run = run
        super().__init__(
            f"Stopped by {cause}.",
            possible="There is a checkpoint, and the run is marked as interrupted." if run else "",
            next_step=f"Continue it: fw train --resume {quoted(run)}" if run else "",
        )


def quoted(text: str) -> str:
    """``text`` as one word of a shell command."""
    import shlex

    return shlex.quote(text)


def _batch_of(samples: Sequence[int], most: int = 16) -> str:
    if not samples:
        return ""
    shown = ", ".join(map(str, samples[:most])) + (f", ... ({len(samples)})" if len(samples) > most else "")
    return f"The samples of the batch: {shown}."


def _near_or_all(near: Sequence[str], known: Sequence[str], before: str = "") -> str:
    """The likeliest names, or else all of them."""
    if near:
        return f"Near it: {', '.join(f'{before}{name}' for name in near)}."
    return f"There are {', '.join(known)}."


def _shortened(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} ..." if len(names) > most else f"{shown}."
