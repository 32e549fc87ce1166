"""The command framework-mlflow-mongodb."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pymongo
import pytest

from framework_mlflow_mongodb import migration, schema
from framework_mlflow_mongodb.cli.app import main
from framework_mlflow_mongodb.mongod import free_port
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore


@contextmanager
def database_of(uri):
    with pymongo.MongoClient(uri) as client:
        yield client.get_default_database()


def test_doctor_finds_nothing_wrong_with_a_good_database(mongo_uri, tracking, capsys):
    assert main(["doctor", mongo_uri]) == 0
    out = capsys.readouterr().out
    assert "replica set" in out
    assert "Nothing is wrong." in out


def test_doctor_names_a_missing_index_and_migrate_makes_it(mongo_uri, tracking, capsys):
    with database_of(mongo_uri) as database:
        database["points"].drop_index("r_1_k_1_lo_1")
    assert main(["doctor", mongo_uri, "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "points.r_1_k_1_lo_1" in problem["what"]
    assert main(["migrate", mongo_uri, "--dry-run"]) == 0
    assert "would make index points.r_1_k_1_lo_1" in capsys.readouterr().out
    assert main(["doctor", mongo_uri]) == 1
    assert main(["migrate", mongo_uri]) == 0
    assert main(["doctor", mongo_uri]) == 0


def test_doctor_on_an_empty_database_changes_nothing(new_uri, capsys):
    assert main(["doctor", new_uri]) == 1
    assert "holds no MLflow data yet" in capsys.readouterr().out
    with database_of(new_uri) as database:
        assert database.list_collection_names() == []


def test_an_older_database_is_refused_until_it_is_migrated(mongo_uri, tracking, capsys, monkeypatch):
    def rename(database):
        database["experiments"].update_many({}, {"$set": {"renamed": True}})

    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(migration, "STEPS", {1: migration.Step("experiments get a mark", rename)})
    with pytest.raises(Exception, match="framework-mlflow-mongodb migrate"):
        MongoTrackingStore(mongo_uri)
    assert main(["migrate", mongo_uri, "--dry-run"]) == 0
    assert "would migrate from 1 to 2: experiments get a mark" in capsys.readouterr().out
    with database_of(mongo_uri) as database:
        assert "renamed" not in database["experiments"].find_one()
        assert main(["migrate", mongo_uri]) == 0
        assert database["experiments"].find_one()["renamed"] is True
    MongoTrackingStore(mongo_uri)


def test_a_newer_database_is_refused(mongo_uri, tracking, capsys):
    with database_of(mongo_uri) as database:
        database["meta"].update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(Exception, match="pip install -U framework-mlflow-mongodb"):
        MongoTrackingStore(mongo_uri)
    assert main(["migrate", mongo_uri]) == 1
    assert main(["doctor", mongo_uri]) == 1
    assert "newer than 1" in capsys.readouterr().out


def test_a_wrong_uri_is_a_bad_request(capsys):
    assert main(["doctor", "mongodb:/localhost"]) == 2
    assert "is not a MongoDB URI" in capsys.readouterr().err


@pytest.mark.drawn
@pytest.mark.long
def test_local_serves_until_it_is_stopped_and_keeps_its_data(tmp_path):
    port, mongodb_port = free_port(), free_port()
    command = [sys.executable, "-m", "framework_mlflow_mongodb.cli.app", "local", "--directory", str(tmp_path)]
    command += ["--port", str(port), "--mongodb-port", str(mongodb_port), "--workers", "1"]
    for name in ("one", "two"):
        process = subprocess.Popen(command, env=os.environ)
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            names = experiment_names(port)
            body = json.dumps({"name": name}).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/create", body)
            request.add_header("Content-Type", "application/json")
            urllib.request.urlopen(request)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
    assert names == ["Default", "one"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", mongodb_port), 1)


def experiment_names(port):
    url = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=10"
    return sorted(e["name"] for e in json.load(urllib.request.urlopen(url))["experiments"])


def wait_for(url):
    deadline = time.monotonic() + 90
    while True:
        try:
            return urllib.request.urlopen(url)
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers at {url}"
            time.sleep(0.2)
