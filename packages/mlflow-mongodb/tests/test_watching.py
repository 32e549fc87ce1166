"""A store tells which runs change, as it happens."""

import threading
import time

import pytest
from mlflow.entities import Metric, RunStatus

from framework_mlflow_mongodb.tracking.store import MongoTrackingStore


def test_a_change_of_a_run_is_told_at_once(tracking):
    run, other = (tracking.create_run("0", "u", 1, [], name).info.run_id for name in ("watched", "other"))
    told = tracking.watch_runs([run], wait_seconds=0.2)
    assert next(told) == []
    tracking.log_metric(other, Metric("loss", 1.0, 1, 1))
    assert next(told) == []
    writer = threading.Timer(0.3, tracking.log_metric, (run, Metric("loss", 1.0, 1, 1)))
    writer.start()
    began = time.monotonic()
    while not (changed := next(told)):
        assert time.monotonic() - began < 30
    assert changed == [run]
    writer.join()
    tracking.update_run_info(run, RunStatus.FINISHED, 2, None)
    assert next(told) == [run]
    told.close()


@pytest.mark.drawn
def test_a_standalone_server_cannot_tell(tmp_path, start_mongod):
    server = start_mongod(tmp_path, replica_set=None)
    try:
        store = MongoTrackingStore(server.uri())
        run = store.create_run("0", "u", 1, [], "r").info.run_id
        assert store.watch_runs([run]) is None
    finally:
        server.kill()


@pytest.mark.drawn
def test_a_server_that_was_away_is_listened_to_again(tmp_path, start_mongod):
    server = start_mongod(tmp_path)
    try:
        store = MongoTrackingStore(server.uri())
        run = store.create_run("0", "u", 1, [], "r").info.run_id
        told = store.watch_runs([run], wait_seconds=0.2)
        assert next(told) == []
        server.kill()
        server.start()
        store.log_metric(run, Metric("loss", 1.0, 1, 1))
        began = time.monotonic()
        while run not in next(told):
            assert time.monotonic() - began < 60
        told.close()
    finally:
        server.kill()
