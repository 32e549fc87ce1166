"""The disk of the server is full: writers hear of it, and with room again everything acknowledged is there."""

import subprocess
import sys

import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.mongod import LocalServerError
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]
MEGABYTE = 2**20
POINTS = 500


@pytest.fixture
def small_disk(tmp_path):
    """A file system of half a gigabyte in memory, where the system lets this user mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, leaving):
    """Write a file that leaves so many bytes of the disk free."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        free = int(subprocess.check_output(["df", "--output=avail", "-B1", str(folder)], text=True).split()[1])
        while free > leaving:
            size = min(free - leaving, MEGABYTE)
            file.write(bytes(size))
            free -= size
    return ballast


def test_what_was_acknowledged_outlives_a_full_disk(small_disk, start_mongod):
    server = start_mongod(small_disk / "mongodb")
    try:
        store = MongoTrackingStore(server.uri() + "&serverSelectionTimeoutMS=3000")
        run = store.create_run("0", "u", 1, [], "r").info.run_id
        store.log_batch(run, batch(0), [], [])
        ballast = fill(small_disk, leaving=4 * MEGABYTE)
        acknowledged, refusal = log_until_refused(store, run)
        assert refusal.error_code in ("TEMPORARILY_UNAVAILABLE", "INVALID_STATE"), refusal
        ballast.unlink()
        restart(server)
        steps = [metric.step for metric in store.get_metric_history(run, "m")]
        assert steps[: POINTS * acknowledged] == list(range(POINTS * acknowledged))
        assert len(steps) in (POINTS * acknowledged, POINTS * (acknowledged + 1))
        store.log_batch(run, batch(acknowledged), [], [])
        assert store.get_run(run).data.metrics["m"] == POINTS * (acknowledged + 1) - 1
    finally:
        server.kill()


def log_until_refused(store, run):
    """Return how many batches were acknowledged, and the error of the one after them."""
    for number in range(1, 5000):
        try:
            store.log_batch(run, batch(number), [], [])
        except MlflowException as error:
            return number, error
    raise AssertionError("the disk was never full")


def batch(number):
    return [Metric("m", float(step), step, step) for step in range(POINTS * number, POINTS * (number + 1))]


def restart(server):
    """Start the server again if the full disk has stopped it, as whoever looks after it does."""
    try:
        code = server.process.wait(10)
    except subprocess.TimeoutExpired:
        return
    if code is not None:
        try:
            server.start()
        except LocalServerError as error:
            raise AssertionError(server.log.read_text()[-2000:]) from error
