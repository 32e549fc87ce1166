"""Every error of the tree is met by the command in its own description, and says what stands there."""

import inspect
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from mlflow import MlflowClient

from framework_core import errors
from framework_core.errors import FrameworkError

EVERY = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, FrameworkError) and each.__module__.startswith(errors.__name__)
]
ABOVE = (FrameworkError, errors.RequestError)
"""Classes that only stand for all those below them."""

RAISED = [each for each in EVERY if each not in ABOVE]
"""What a command can end in."""

MISFIT = """
from mine import Iris

class Pictures(Iris):
    def data_spec(self):
        return super().data_spec().model_copy(update={"task": "image-classification"})
"""
FAILS = """
import mine

class Net(mine.Net):
    def training_step(self, batch, batch_idx):
        raise ValueError("no luck")
"""
FORKED = """
import mine

class Net(mine.Net):
    def forward(self, x):
        found = super().forward(x)
        return found if self._trainer else {"of flowers": found}

    def loss(self, outputs, target):
        return super().loss(outputs["of flowers"] if isinstance(outputs, dict) else outputs, target)
"""
PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="{name}", builder="{module}:Model", config="framework_core.contracts:ComponentConfig", {more})
"""
TEXTS = ("what", "possible", "next_step", "listing", "hint")
"""What is only said; everything else that an error is made from is a fact that it keeps."""

NEEDS_A_RUN = ("DataError", "RunNotFoundError", "OutputError", "RunInUseError", "StepNotFoundError", "RebuildError")

NEEDS_A_MODEL = ("VersionNotFoundError", "RegistryError", "StageTakenError", "PromotionRefusedError")
POLICY = "stages: {production: {metrics: {test/accuracy: {min: 0.9}}}}"

HOLDS_A_RUN = """
import sys
from pathlib import Path
from framework_core.tracking.journal import Journal
journal = Journal(Path("runs/first/tracking"))
print("held", flush=True)
sys.stdin.read()
"""


def example(error):
    """The command of an error's description, and the lines that it says."""
    text = inspect.cleandoc(error.__doc__).partition("Example::")[2]
    command, *lines = inspect.cleandoc(text).splitlines()
    return command.removeprefix("$ "), lines


@pytest.fixture
def world(project, components, install, train, request, monkeypatch):
    """A folder in which each of the commands goes wrong in its own way."""
    (project / "misfit.py").write_text(MISFIT)
    shutil.copy(request.path.with_name("trouble.py"), project)
    (project / "night.yaml").write_text("model: mine.py:Net\n")
    error = request.getfixturevalue("error").__name__
    for herd in ("a", "b") if error == "AmbiguousNameError" else ():
        plugin = PLUGIN.format(name="gnu", module=f"herd_{herd}", more="")
        install(f"herd-{herd}", {f"herd_{herd}": plugin}, {"framework.plugins": {f"herd{herd}": f"herd_{herd}"}})
    if error == "MissingPackageError":
        plugin = PLUGIN.format(name="needy", module="needy", more='requires=("quite-rare>=2",)')
        install("needy-dist", {"needy": plugin}, {"framework.plugins": {"needy": "needy"}})
    if error == "NotCertifiableError":
        install("frog-dist", {"frog": ""}, {})
    if error == "NotInstallableError":
        (project / "frog-1.0-cp27-none-any.whl").touch()
    if error == "PluginError":
        install("wreck-dist", {"wreck": "raise ImportError('no luck')"}, {"framework.plugins": {"wreck": "wreck"}})
    if error in NEEDS_A_RUN:
        assert train("experiment.run_name=first", "trainer.max_epochs=1").code == 0
    if error == "RebuildError":
        run = json.loads((project / "runs/first/run.json").read_text())["run_id"]
        MlflowClient(f"sqlite:///{project}/mlflow.db").set_tag(run, "mlflow.source.git.commit", "0123456789abcdef")
    if error == "RunInUseError":
        command = [sys.executable, "-c", HOLDS_A_RUN]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        request.addfinalizer(holder.communicate)  # noqa: PT021  # only this error has one
        assert holder.stdout.readline() == "held\n"
    if error == "CheckpointError":
        assert train("experiment.run_name=broken", "trainer.max_epochs=1").code == 0
        (project / "runs/broken/checkpoints/best-epoch0-step6.ckpt/weights.safetensors").unlink()
    if error == "ExportError":
        (project / "forked.py").write_text(FORKED)
        assert train("--model", "forked.py:Net", "experiment.run_name=forked", "trainer.max_epochs=1").code == 0
    if error == "ServeError":
        (project / "empty").mkdir()
    if error == "ProofError":
        (project / "fails.py").write_text(FAILS)
    if error in NEEDS_A_MODEL:
        shutil.copy(request.getfixturevalue("empty_store"), project)
        client = MlflowClient(f"sqlite:///{project}/mlflow.db")
        client.create_registered_model("flowers")
        for _ in range(2):
            client.create_model_version("flowers", "file:///nowhere")
    if error == "PromotionRefusedError":
        (project / "registry.yaml").write_text(POLICY)
    if error == "PortTakenError":
        shutil.copy(request.getfixturevalue("empty_store"), project)
    monkeypatch.setenv("COLUMNS", "200")
    return project


def marked(error):
    """Its example, quick or not: a proof trains several times."""
    return pytest.param(
        error, id=error.__name__, marks=[pytest.mark.thorough] if error.__name__ == "ProofError" else []
    )


@pytest.mark.some_of(14)
@pytest.mark.parametrize(
    "error", [marked(each) for each in RAISED if each.exit_code != 130 and each is not errors.ProcessesError]
)
def test_the_command_of_the_description_says_what_stands_there(error, world, fw):
    command, lines = example(error)
    words = shlex.split(command)[1:]
    with socket.socket() as taken:
        if error.__name__ == "PortTakenError":
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            words = [str(port) if word == "5000" else word for word in words]
            lines = [line.replace("5000", str(port)).replace("5001", str(port % 65535 + 1)) for line in lines]
        done = fw(*words)
    said = done.err.splitlines()
    assert said[-len(lines) :] == lines
    assert not [line for line in said[: -len(lines)] if line.startswith(("error", "Traceback"))]
    assert done.out == ""
    assert done.code == error.exit_code
    assert type(done.error) is error


@pytest.mark.drawn
@pytest.mark.ddp
@pytest.mark.parametrize("error", [errors.ProcessesError], ids=lambda error: error.__name__)
def test_processes_that_train_together_say_what_stands_there(error, world, fresh):
    command, lines = example(error)
    done = fresh(*shlex.split(command)[1:], "trainer.accelerator=cpu", "mlops.tracking.backend=none")
    said = done.err.splitlines()
    assert said[-len(lines) :] == lines
    assert said.count(lines[0]) == 1
    assert (done.out, done.code) == ("", error.exit_code)


@pytest.mark.drawn
@pytest.mark.long
@pytest.mark.parametrize("error", [each for each in RAISED if each.exit_code == 130], ids=lambda error: error.__name__)
def test_ctrl_c_says_what_stands_there(error, world, program):
    command, (typed, *lines) = example(error)
    assert typed == "^C"
    process = program(*shlex.split(command)[1:])
    for line in process.stderr:
        if re.match(r"epoch 2/", line):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=120)
    assert err.splitlines()[-len(lines) :] == lines
    assert (out, process.returncode) == ("", error.exit_code)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.__name__)
def test_an_error_says_three_things_and_keeps_its_facts(error):
    _, lines = example(error)
    said = [line for line in lines if line != "^C"]
    assert said[0].startswith("error: ")
    assert len(said) >= 3, "what is wrong, what is possible, what to type next"
    facts = [name for name in inspect.signature(error).parameters if name not in TEXTS]
    constructors = [inspect.getsource(each.__init__) for each in error.__mro__ if issubclass(each, FrameworkError)]
    for fact in facts:
        assert any(f"self.{fact} = " in constructor for constructor in constructors)
        assert re.search(rf"^    {fact}: ", inspect.cleandoc(error.__doc__), re.M), f"{fact} is not described"


def test_no_command_raises_a_class_that_stands_for_others(request):
    """The classes above say too little: whoever raises one has a kind of error that the tree does not name yet."""
    above = [each.__name__ for each in ABOVE]
    raised = re.compile(rf"(raise|return) ({'|'.join(above)})\(")
    source = request.path.parents[1] / "src"
    found = [str(path) for path in source.rglob("*.py") if raised.search(path.read_text("utf-8"))]
    assert found == []
