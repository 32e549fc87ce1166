"""``fw`` ends at once, and nothing that others rely on is lost by it."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from framework_core import heap

LEFT = """
import atexit, sys, threading, time
from framework_core import hookimpl

def late():
    time.sleep(0.3)
    open("thread.txt", "w").write("ended")

atexit.register(lambda: open("atexit.txt", "w").write("ran"))
threading.Thread(target=late).start()
kept_text = open("text.txt", "w")
kept_text.write("never closed")
kept_bytes = open("bytes.bin", "wb")
kept_bytes.write(b"never closed")
"""


@pytest.fixture
def leaves_things(install):
    return install("leaves-things", {"leaves": LEFT}, {"framework.plugins": {"leaves": "leaves"}})


@pytest.mark.parametrize(("words", "code"), [(["list", "models"], 0), (["info", "no-such-model"], 2)])
def test_threads_atexit_and_files_that_nobody_closed_are_not_lost(program, project, leaves_things, words, code):
    done = program(*words, path=[leaves_things])
    _, err = done.communicate(timeout=60)
    assert done.returncode == code, err
    assert (project / "thread.txt").read_text() == "ended"
    assert (project / "atexit.txt").read_text() == "ran"
    assert (project / "text.txt").read_text() == (project / "bytes.bin").read_text() == "never closed"


@pytest.mark.drawn
def test_a_profiler_has_the_last_word(project):
    command = [sys.executable, "-m", "cProfile", "-o", "profile.out", "-m", "framework_core", "list", "models"]
    subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (project / "profile.out").stat().st_size > 0


def test_garbage_is_looked_for_seldom_around_a_command_and_as_ever_while_training():
    usual = gc.get_threshold()
    with heap.seldom_collected():
        assert gc.get_threshold()[0] == heap.SELDOM
        with heap.frozen_heap():
            assert gc.get_threshold() == usual
            assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] == heap.SELDOM
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


def test_garbage_of_an_earlier_training_is_not_kept_through_the_next():
    class Model:
        pass

    model = Model()
    model.trainer = model
    alive = []
    model.weights = type("Weights", (), {"__del__": lambda self: alive.append("collected")})()
    del model
    with heap.frozen_heap():
        assert alive == ["collected"]
