"""Completion in the real shells, and what it answers."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SHELLS = {
    "bash": (["bash", "--norc", "-i"], "source <(fw completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source <(fw completion zsh)"),
    "fish": (["fish", "--no-config", "-i"], "fw completion fish | source"),
}
SECONDS = 15


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path.parent / "completion-cache"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, text in (("my.yaml", "model: vit\n"), ("runs/first-run/run.json", "{}"), ("photos/a.png", "")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def answered(*words: str, shell: str = "bash") -> list[str]:
    """What ``fw`` answers a shell, without what it is for."""
    environment = {**os.environ, "FRAMEWORK_COMPLETE": shell}
    done = subprocess.run(["fw", *words], env=environment, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.some_of(15)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trai"], ["train"]),
        (["list", "s"], ["schedulers", "strategies"]),
        (["train", "--mo"], ["--model"]),
        (["train", "--model", "wide_"], ["wide_resnet28_10", "wide_resnet50_2", "wide_resnet101_2"]),
        (["train", "--model=wide_resnet2"], ["--model=wide_resnet28_10"]),
        (["train", "-m", "wide_resnet2"], ["wide_resnet28_10"]),
        (["train", "--dataset", "cifar"], ["cifar10", "cifar100"]),
        (["train", "model=wide_resnet2"], ["model=wide_resnet28_10"]),
        (["train", "optimizer=sg"], ["optimizer=sgd"]),
        (["train", "trainer=de"], ["trainer=debug", "trainer=default", "trainer=deterministic"]),
        (["train", "trainer.max_ep"], ["trainer.max_epochs="]),
        (["train", "mlops.tr"], ["mlops.tracking."]),
        (["train", "--model", "vit", "model.pa"], ["model.patch_size="]),
        (["train", "model=vit", "model.pa"], ["model.patch_size="]),
        (["train", "--model", "resnet20", "model.pa"], []),
        (["train", "--config", "my.yaml", "model.pa"], ["model.patch_size="]),
        (["train", "optimizer=sgd", "optimizer.nes"], ["optimizer.nesterov="]),
        (["train", "++trainer.max_ep"], ["++trainer.max_epochs="]),
        (["train", "trainer.precision=bf16-"], ["trainer.precision=bf16-mixed", "trainer.precision=bf16-true"]),
        (["train", "trainer.benchmark=t"], ["trainer.benchmark=true"]),
        (["train", "strategy=ddp_n"], [
            "strategy=ddp_notebook",
            "strategy=ddp_notebook_find_unused_parameters_false",
            "strategy=ddp_notebook_find_unused_parameters_true",
        ]),
        (["train", "--config", "m"], ["my.yaml"]),
        (["train", "--resume", ""], ["last", "first-run"]),
        (["evaluate", "fi"], ["first-run"]),
        (["evaluate", "first-run", "--split", ""], ["test", "val"]),
        (["evaluate", "first-run", "seed"], ["seed="]),
        (["predict", "first-run", "photos/"], ["photos/a.png"]),
        (["predict", "first-run", "ph"], ["photos/"]),
        (["data", "fetch", "mn"], ["mnist"]),
        (["list", "models", "--task", "im"], ["image-classification"]),
        (["list", "models", "--task", "sem"], ["semantic-segmentation"]),
        (["info", "scheduler", "cosine_"], ["cosine_restarts"]),
        (["completion", "b"], ["bash"]),
        (["trian", ""], []),
        (["train", "zzz"], []),
    ],
)  # fmt: skip
def test_how_a_line_goes_on(words, expected):
    assert sorted(answered(*words)) == sorted(expected)


def test_each_answer_says_what_it_is_for():
    environment = {**os.environ, "FRAMEWORK_COMPLETE": "zsh"}
    done = subprocess.run(["fw", "train", "seed"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("seed=\tSeeds Python")


def test_a_completion_imports_neither_typer_nor_anything_of_a_plugin():
    answered("train", "seed")
    code = "import sys; from framework_core.cli.program import main; main(['train', 'se']); print(*sys.modules)"
    environment = {**os.environ, "FRAMEWORK_COMPLETE": "bash"}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert "framework_core.cli.complete" in modules
    assert not modules & {"typer", "rich", "pydantic", "hydra", "pluggy", "torch", "framework_plugins_vision"}


class Terminal:
    """A shell in a terminal, to which one types."""

    def __init__(self, shell: str) -> None:
        command, setup = SHELLS[shell]
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", COLUMNS="200", PS1="$ ")
            os.execvp(command[0], command)
        self.printed = ""
        self.type(f"{setup}; echo re''ady\n")
        assert self.shows("ready")

    def type(self, text: str) -> None:
        os.write(self.end, text.encode())

    def shows(self, wanted: str) -> bool:
        """Whether something is printed in time."""
        deadline = time.monotonic() + SECONDS
        while wanted not in self.text and time.monotonic() < deadline:
            if select.select([self.end], [], [], 0.2)[0]:
                try:
                    self.printed += os.read(self.end, 65536).decode(errors="replace")
                except OSError:
                    break
        return wanted in self.text

    @property
    def text(self) -> str:
        """What was printed, without bells and colours."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x07\x00]", "", self.printed)

    def close(self) -> None:
        os.close(self.end)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=SHELLS)
def terminal(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    answered("tr")
    found = Terminal(request.param)
    yield found
    found.close()


@pytest.mark.some_of(8)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fw trai", "fw train "),
        ("fw train trainer.max_ep", "fw train trainer.max_epochs="),
        ("fw train optimizer=sg", "fw train optimizer=sgd "),
        ("fw train --model=wide_resnet2", "fw train --model=wide_resnet28_10 "),
        ("fw train --model wide_resnet2", "fw train --model wide_resnet28_10 "),
        ("fw train +mlops.tr", "fw train +mlops.tracking."),
        ("fw evaluate first", "fw evaluate first-run "),
    ],
)
def test_a_shell_completes_with_tab(line, expected, terminal):
    terminal.printed = ""
    terminal.type(f"{line}\t")
    assert terminal.shows(expected), terminal.printed
    # A key waits for its value: nothing is between it and the next letter. Some shells draw a space again.
    terminal.type("X")
    assert terminal.shows(f"{expected.rstrip()}X" if expected.endswith(("=", ".")) else "X"), terminal.printed
