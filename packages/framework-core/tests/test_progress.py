"""Progress on the screen: a bar on a terminal, plain lines anywhere else."""

import contextlib
import logging
import os
import pty
import re
import threading

import pytest

from framework_core.cli.program import main
from framework_core.training.progress import LineDisplay

SLOW = """
import signal, time
from mine import Net

class Slow(Net):
    def training_step(self, batch, batch_idx):
        time.sleep(0.05)
        return super().training_step(batch, batch_idx)

class Stops(Slow):
    def validation_step(self, batch, batch_idx):
        if self.current_epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return super().validation_step(batch, batch_idx)

class Fails(Slow):
    def validation_step(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise RuntimeError("a bug of the user's")
        return super().validation_step(batch, batch_idx)
"""
QUICK = ("trainer.max_epochs=3", "trainer.accelerator=cpu", "mlops.tracking.backend=none")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def words(components, project):
    (project / "slow.py").write_text(SLOW)
    return lambda model: ("train", "--model", f"slow.py:{model}", "--dataset", "mine.py:Iris", *QUICK)


@pytest.fixture
def terminal(monkeypatch):
    """Run ``fw`` with a terminal as stderr; what the terminal was sent."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words):
        master, slave = pty.openpty()
        sent = []

        def read():
            with contextlib.suppress(OSError):
                while chunk := os.read(master, 65536):
                    sent.append(chunk)

        reader = threading.Thread(target=read)
        reader.start()
        code, log = 0, logging.getLogger("framework_core")
        with os.fdopen(slave, "w") as screen, contextlib.redirect_stderr(screen), contextlib.redirect_stdout(None):
            try:
                main(list(words))
            except SystemExit as stop:
                code = stop.code
            finally:
                log.handlers.clear()
                log.propagate = True
        reader.join(10)
        os.close(master)
        return code, b"".join(sent).decode()

    return run


def frames(text):
    """What a person reads, one redrawing after another."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.drawn
def test_a_terminal_shows_a_bar_with_loss_metric_speed_and_remaining_time(words, terminal):
    code, sent = terminal(*words("Slow"))
    assert code == 0
    bars = [frame for frame in frames(sent) if "it/s" in frame]
    facts = r"loss \d+\.\d{4}  val/accuracy \d+\.\d{4}  \d+\.\d it/s  0:00:0\d left"
    assert re.search(r"^epoch 1/3 .* \d/6 loss \d+\.\d{4}  \d+\.\d it/s  0:00:0\d left", bars[0]), bars[0]
    assert any(re.search(rf"^epoch 3/3 .* \d/6 {facts}", bar) for bar in bars), bars
    assert not any("…" in bar for bar in bars)


@pytest.mark.drawn
def test_each_epoch_leaves_one_line_and_the_bar_leaves_none(words, terminal):
    _, sent = terminal(*words("Slow"))
    lines = [frame for frame in frames(sent) if re.search(r"\d+\.\d s$", frame)]
    pattern = r"^epoch {}/3  loss \d+\.\d{{4}}  val/loss \d+\.\d{{4}}  val/accuracy \d+\.\d{{4}}  \d+\.\d s$"
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        assert re.match(pattern.format(number), line), line
    assert sent.count(HIDE) == sent.count(SHOW) > 0


@pytest.mark.parametrize("model", ["Stops", "Fails"])
def test_the_terminal_is_left_as_it_was_found(model, words, terminal):
    code, sent = terminal(*words(model))
    assert code == (130 if model == "Stops" else 1)
    assert sent.count(HIDE) == sent.count(SHOW) > 0
    if model == "Stops":
        after = frames(sent[sent.rindex(SHOW) :])
        assert after[0].startswith("error: Stopped by Ctrl-C.")
        assert after[2].startswith("Continue it: fw train --resume")
    else:
        assert "RuntimeError: a bug of the user's" in sent


def test_a_bar_can_be_switched_off(words, terminal):
    code, sent = terminal(*words("Slow"), "trainer.enable_progress_bar=false")
    assert code == 0
    assert "epoch 1/3" not in sent
    assert HIDE not in sent


@pytest.mark.drawn
def test_without_a_terminal_there_are_plain_lines(words, fw):
    done = fw(*words("Slow"))
    assert "\x1b" not in done.err
    assert "\r" not in done.err
    lines = [line for line in done.err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert not [line for line in done.out.splitlines() if line.startswith("epoch ")]


@pytest.mark.drawn
def test_without_a_terminal_a_long_epoch_says_how_far_it_is(words, fw, monkeypatch):
    monkeypatch.setattr(LineDisplay, "interval", 0.12)
    lines = [line for line in fw(*words("Slow")).err.splitlines() if line.startswith("epoch 2/3  ")]
    assert len(lines) > 1
    assert re.match(
        r"epoch 2/3  \d/6  loss \d+\.\d{4}  val/accuracy \d+\.\d{4}  \d+\.\d it/s  0:00:0\d left$", lines[0]
    )


@pytest.mark.drawn
def test_an_evaluation_draws_no_bar(words, terminal, fw):
    fw(*words("Slow"))
    code, sent = terminal("evaluate", "last")
    assert code == 0
    assert HIDE not in sent
