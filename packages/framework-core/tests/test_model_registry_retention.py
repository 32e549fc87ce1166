"""Old runs go when that is asked for, and what a registered version needs stays."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from mlflow import MlflowClient

DAY = 86_400_000
"""Milliseconds."""


@pytest.fixture
def client(empty_store, same_again):
    return MlflowClient(same_again(empty_store))


@pytest.fixture
def add(client, project):
    """Add a run that started some days ago, with a folder here; its id."""
    now = int(datetime.now(timezone.utc).timestamp() * 1000)
    if client.get_experiment_by_name("old") is None:
        client.create_experiment("old", artifact_location=(project / "mlruns/old").as_uri())
    experiment = client.get_experiment_by_name("old").experiment_id

    def added(name, days, status="FINISHED", folder=True, **tags):
        run = client.create_run(experiment, start_time=now - days * DAY, run_name=name, tags=tags).info.run_id
        client.log_text(run, "hello", "note.txt")
        if status != "RUNNING":
            client.set_terminated(run, status)
        if folder:
            place = project / "runs" / name
            place.mkdir(parents=True)
            started = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()
            facts = {"run_id": run, "name": name, "started": started, "status": status.lower()}
            (place / "run.json").write_text(json.dumps(facts))
            (place / "weights").write_bytes(b"0" * 1000)
        return run

    return added


def going(done):
    assert done.code == 0, done.err
    return {each["name"]: each for each in done.json if not each["kept"]}


def test_it_is_said_first_what_would_go_and_nothing_goes(fw, client, add):
    old, young = add("old", 40), add("young", 3)
    done = fw("runs", "gc", "--older-than", "30")
    assert done.out.splitlines()[1].split()[:2] == ["run", "old"]
    assert "young" not in done.out
    assert "Nothing was deleted. 1 would go" in done.err
    assert Path("runs/old").exists()
    assert client.get_run(old).info.lifecycle_stage == "active"
    done = fw("runs", "gc", "--older-than", "30", "--delete")
    assert "Deleted: 1" in done.err
    assert [each.name for each in Path("runs").iterdir()] == ["young"]
    assert client.get_run(old).info.lifecycle_stage == "deleted"
    assert client.get_run(young).info.lifecycle_stage == "active"
    assert "There is nothing to delete." in fw("runs", "gc", "--older-than", "30", "--delete").err


def test_what_a_registered_version_needs_stays_with_the_other_seeds_of_its_group(fw, client, add):
    parent = add("group", 50, folder=False, **{"framework.group": "runs"})
    first = add("first", 50, **{"mlflow.parentRunId": parent})
    add("second", 50, **{"mlflow.parentRunId": parent})
    add("alone", 50)
    client.create_registered_model("net")
    client.create_model_version("net", f"{client.get_run(first).info.artifact_uri}", first)
    rows = {each["name"]: each for each in fw("runs", "gc", "--older-than", "30", "--delete", "--json").json}
    assert rows.pop("alone")["deleted"]
    assert {name: each["kept"] for name, each in rows.items()} == dict.fromkeys(
        ["group", "first", "second"], "net/1 is registered"
    )
    assert sorted(each.name for each in Path("runs").iterdir()) == ["first", "second"]


def test_only_what_stands_so_goes_and_the_newest_stay(fw, client, add):
    for days, name, status in ((50, "a", "FINISHED"), (49, "b", "FAILED"), (48, "c", "FAILED"), (47, "d", "RUNNING")):
        add(name, days, status)
    assert set(going(fw("runs", "gc", "--older-than", "1", "--status", "failed", "--json"))) == {"b", "c"}
    assert set(going(fw("runs", "gc", "--older-than", "1", "--keep", "2", "--json"))) == {"a", "b"}


@pytest.mark.drawn
@pytest.mark.long
def test_what_no_store_has_stays(fw, train, client):
    done = train("experiment.run_name=away", "mlops.tracking.offline=true", "trainer.max_epochs=1")
    assert done.code == 0, done.err
    (row,) = fw("runs", "gc", "--older-than", "0", "--json").json
    assert (row["name"], row["kept"]) == ("away", "not all of it is in a store: fw runs sync away")


def test_artifacts_whose_run_is_gone_are_found(fw, client, add, project):
    run = add("there", 3)
    gone = project / "mlruns/old" / ("0" * 32) / "artifacts"
    model = project / "mlruns/old/models" / f"m-{'0' * 32}"
    other = project / "mlruns/old/notes"
    for each in (gone, model, other):
        each.mkdir(parents=True)
        (each / "file").write_bytes(b"0" * 10)
    found = going(fw("runs", "gc", "--older-than", "30", "--json"))
    assert {(each["kind"], each["size"]) for each in found.values()} == {("files", 10)}
    assert set(found) == {str(gone.parent), str(model)}
    fw("runs", "gc", "--older-than", "30", "--delete")
    assert not gone.exists()
    assert not model.exists()
    assert (other / "file").exists()
    assert (project / "mlruns/old" / run / "artifacts/note.txt").exists()
