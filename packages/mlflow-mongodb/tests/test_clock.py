"""The clocks of the server and of a client jump back by an hour while runs are logged."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.entities import Metric, ViewType
from mlflow.utils.time import get_current_time_millis

from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]
HOUR = 3600

# Logs five points with the time of its clock, and one run, after each line that it is given.
WRITER = """
import sys
from mlflow.entities import Metric
from mlflow.utils.time import get_current_time_millis
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
store, run, step = MongoTrackingStore(sys.argv[1]), sys.argv[2], 0
for line in sys.stdin:
    made = store.create_run("0", "u", get_current_time_millis(), [], line.strip())
    for step in range(step, step + 5):
        store.log_metric(run, Metric("m", float(step), get_current_time_millis(), step))
    many = [Metric("many", float(i), get_current_time_millis(), 100 * step + i) for i in range(80)]
    store.log_batch(run, many, [], [])
    step += 1
    store.update_run_info(made.info.run_id, 3, get_current_time_millis(), None)
    print(get_current_time_millis(), flush=True)
"""


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """The file that says how far the clock of processes started from here on is off."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("a C compiler and Linux are needed to let a clock jump")
    library, offset = tmp_path / "clock.so", tmp_path / "offset"
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    offset.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_OFFSET", str(offset))
    return offset


def test_nothing_is_lost_and_the_step_says_what_is_latest(clock, start_mongod, tmp_path, monkeypatch):
    server = start_mongod(tmp_path / "mongodb")
    store = MongoTrackingStore(server.uri())
    run = store.create_run("0", "u", get_current_time_millis(), [], "main").info.run_id
    command = [sys.executable, "-c", WRITER, server.uri(), run]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    monkeypatch.delenv("LD_PRELOAD")

    def write(name):
        writer.stdin.write(f"{name}\n")
        writer.stdin.flush()
        return int(writer.stdout.readline())

    try:
        before = write("before")
        clock.write_text(str(-HOUR))
        after = write("after")
        assert after < before - HOUR * 900
        clock.write_text(str(HOUR))
        write("ahead")
        clock.write_text("0")
        write("again")
        check(store, run)
    finally:
        writer.stdin.close()
        writer.wait(30)
        writer.stdout.close()
        server.kill()


def check(store, run):
    points = store.get_metric_history(run, "m")
    assert sorted(point.step for point in points) == list(range(20))
    assert [point.step for point in points] == [*range(5, 10), *range(5), *range(15, 20), *range(10, 15)]
    assert store.get_run(run).data.metrics == {"m": 19.0, "many": 79.0}
    assert len(store.get_metric_history(run, "many")) == 320
    named = [found.info for found in store.search_runs(["0"], "", ViewType.ALL) if found.info.run_id != run]
    assert [info.run_name for info in named] == ["ahead", "again", "before", "after"]
    assert {info.status for info in named} == {"FINISHED"}
    page, token = [], None
    while True:
        found = store.search_runs(["0"], "", ViewType.ALL, 2, None, token)
        page += [one.info.run_id for one in found]
        if not (token := found.token):
            break
    assert len(page) == len(set(page)) == 5
    store.log_metric(run, Metric("m", 1.0, int(time.time() * 1000), 20))
    assert store.get_run(run).data.metrics["m"] == 1.0
