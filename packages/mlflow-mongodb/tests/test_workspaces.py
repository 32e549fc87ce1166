"""Workspaces, their store, and a server that has them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pymongo
import pytest
from mlflow import MlflowClient
from mlflow.entities.workspace import Workspace, WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.tracking._workspace.registry import get_workspace_store
from mlflow.utils.workspace_context import WorkspaceContext

from framework_mlflow_mongodb.mongod import free_port
from framework_mlflow_mongodb.registry.store import MongoRegistryStore
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
from framework_mlflow_mongodb.workspaces import MongoWorkspaceStore


@pytest.fixture
def workspaces(mongo_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    return MongoWorkspaceStore(mongo_uri)


@pytest.fixture
def team(workspaces):
    return workspaces.create_workspace(Workspace("team", "A team"))


def refused(code):
    return pytest.raises(MlflowException, check=lambda error: error.error_code == code)


def test_mlflow_finds_the_store_by_its_scheme(new_uri):
    assert isinstance(get_workspace_store(new_uri), MongoWorkspaceStore)


def test_the_default_workspace_is_there(workspaces):
    assert [found.name for found in workspaces.list_workspaces()] == ["default"]
    assert workspaces.get_default_workspace().name == "default"


def test_a_workspace_keeps_what_it_is_given(workspaces, team):
    assert workspaces.get_workspace("team") == Workspace("team", "A team", None)
    workspaces.update_workspace(Workspace("team", default_artifact_root="s3://team"))
    assert workspaces.get_workspace("team") == Workspace("team", "A team", "s3://team")
    workspaces.update_workspace(Workspace("team", default_artifact_root=""))
    assert workspaces.get_workspace("team").default_artifact_root is None


def test_bad_workspaces_are_refused(workspaces, team):
    with refused("RESOURCE_ALREADY_EXISTS"):
        workspaces.create_workspace(Workspace("team"))
    with refused("INVALID_PARAMETER_VALUE"):
        workspaces.create_workspace(Workspace("No Such_Name"))
    with refused("INVALID_PARAMETER_VALUE"):
        workspaces.create_workspace(Workspace("other", default_artifact_root="mongodb://me:secret@host/db/a"))
    with refused("NOT_IMPLEMENTED"):
        workspaces.create_workspace(Workspace("other", trace_archival_retention="30d"))
    for ask in (workspaces.get_workspace, workspaces.delete_workspace):
        with refused("RESOURCE_DOES_NOT_EXIST"):
            ask("none")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        workspaces.update_workspace(Workspace("none", "text"))
    with refused("INVALID_STATE"):
        workspaces.delete_workspace("default")


def test_experiments_go_to_the_artifact_root_of_their_workspace(workspaces, team, mongo_uri):
    tracking = MongoTrackingStore(mongo_uri, "s3://all")
    with WorkspaceContext("team"):
        first = tracking.get_experiment(tracking.create_experiment("a")).artifact_location
        workspaces.update_workspace(Workspace("team", default_artifact_root="s3://own"))
        second = tracking.get_experiment(tracking.create_experiment("b")).artifact_location
    assert first.startswith("s3://all/workspaces/team/")
    assert second.startswith("s3://own/")


def test_a_workspace_with_content_is_deleted_only_when_that_moves(workspaces, team, mongo_uri):
    tracking, registry = MongoTrackingStore(mongo_uri, "s3://all"), MongoRegistryStore(mongo_uri)
    with WorkspaceContext("team"):
        experiment = tracking.create_experiment("theirs")
        run = tracking.create_run(experiment, "me", 1, [], "run")
        registry.create_registered_model("net")
        registry.create_model_version("net", "s3://net")
    with refused("INVALID_STATE"):
        workspaces.delete_workspace("team")
    with refused("NOT_IMPLEMENTED"):
        workspaces.delete_workspace("team", WorkspaceDeletionMode.CASCADE)
    with WorkspaceContext("default"):
        registry.create_registered_model("net")
    with refused("INVALID_STATE"):
        workspaces.delete_workspace("team", WorkspaceDeletionMode.SET_DEFAULT)
    with WorkspaceContext("default"):
        registry.delete_registered_model("net")
    workspaces.delete_workspace("team", WorkspaceDeletionMode.SET_DEFAULT)
    with WorkspaceContext("default"):
        assert tracking.get_experiment(experiment).name == "theirs"
        assert tracking.get_run(run.info.run_id).info.run_name == "run"
        assert registry.get_model_version("net", 1).source == "s3://net"
    assert [found.name for found in workspaces.list_workspaces()] == ["default"]


@pytest.mark.drawn
@pytest.mark.long
def test_a_server_keeps_workspaces_apart(mongod, tmp_path, monkeypatch):
    uri, port = mongod.uri("workspace_server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--port", str(port)]
    command += ["--artifacts-destination", "mongodb-gridfs:/artifacts", "--workers", "1", "--enable-workspaces"]
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.2)
        monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        client = MlflowClient(address, address)
        runs = {}
        for name in ("one", "two"):
            client.create_workspace(name)
            with WorkspaceContext(name):
                experiment = client.create_experiment("same")
                runs[name] = client.create_run(experiment).info.run_id
                client.log_text(runs[name], name, "a.txt")
                client.create_registered_model("net", description=name)
        for name in ("one", "two"):
            with WorkspaceContext(name):
                (tmp_path / name).mkdir()
                found = client.download_artifacts(runs[name], "a.txt", str(tmp_path / name))
                assert Path(found).read_text() == name
                assert client.get_registered_model("net").description == name
        with WorkspaceContext("one"), pytest.raises(MlflowException, match="not found"):
            client.get_run(runs["two"])
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        with pymongo.MongoClient(uri) as connection:
            connection.drop_database("workspace_server")
