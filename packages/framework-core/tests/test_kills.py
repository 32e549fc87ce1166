"""Trainings that are killed at random moments end with the weights of one that was never stopped, bit for bit."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kills.py")


def killed(*words):
    done = subprocess.run([sys.executable, PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.thorough
def test_a_run_that_was_killed_four_times_ends_as_one_that_was_not():
    assert killed("--cells", 0, "--kills", 4).endswith("4 kills, every end equal\n")


@pytest.mark.faults
@pytest.mark.timeout(0)
def test_two_hundred_kills_over_workers_ranks_and_what_takes_part_lose_nothing():
    assert killed("--kills", 13).endswith("208 kills, every end equal\n")
