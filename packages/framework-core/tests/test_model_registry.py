"""Registered models: versions move between stages, and who moved them, when and why is remembered."""

import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient
from test_read_only import without_power_over_files

from framework_core import model_registry
from framework_core.model_registry.chain import History
from framework_core.plugins.registry import registry

pytestmark = pytest.mark.drawn("file")

QUICK = (
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "mlops.tracking.system_metrics=false",
    "mlops.report=false",
    "experiment.run_name=first",
)


@pytest.fixture(scope="module")
def recorded(trained_in):
    """A folder with a run whose model is in a store."""
    return trained_in("recorded", {"first": ("trainer.max_epochs=2", "mlops.report=false")})


@pytest.fixture
def here(recorded, monkeypatch, project):
    """That folder, to work in; its run and its store are those of the folder that it came from."""
    monkeypatch.chdir(recorded)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{recorded}/mlflow.db")
    return recorded


@pytest.fixture(scope="module")
def flowers(tmp_path_factory, empty_store):
    """A store in which ``flowers`` has three versions that another program registered."""
    file = Path(shutil.copy(empty_store, tmp_path_factory.mktemp("flowers")))
    client = MlflowClient(f"sqlite:///{file}")
    client.create_registered_model("flowers")
    for _ in range(3):
        client.create_model_version("flowers", "file:///nowhere")
    return file


@pytest.fixture
def store(flowers, same_again):
    """That store, for one test."""
    return MlflowClient(same_again(flowers))


def database():
    """The file of the store."""
    return Path(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))


def stages(fw, name="flowers"):
    return fw("registry", "show", name, "--json").json["stages"]


def test_a_run_is_registered_promoted_and_used_by_the_name_of_its_stage(fw, here, monkeypatch, project):
    shown = fw("registry", "register", "first", "net", "--why", "the first").out
    assert "version     net/1" in shown
    assert fw("registry", "register", "last", "net", "--json").json["version"] == 2
    assert fw("registry", "promote", "net", "1", "production").code == 0
    assert fw("registry", "list").out.splitlines()[1].split() == ["net", "2", "2", "1"]
    expected = fw("evaluate", "first", "--json").json
    # Elsewhere the run's folder is not at hand, and its class is.
    shutil.copy("mine.py", project)
    monkeypatch.chdir(project)
    assert fw("evaluate", "net@production", "--json").json == pytest.approx(expected)
    Path("flower.txt").write_text("5.1 3.5 1.4 0.2")
    assert fw("predict", "net/2", "flower.txt").out.split()[:2] == ["path", "label"]
    version = model_registry.find("net@production")
    assert (version.name, version.version, version.stages) == ("net", 1, ("production",))
    folder = model_registry.model_files(version, project / "model")
    assert sorted(each.name for each in folder.iterdir()) == ["data.json", "model.json", "weights.safetensors"]


def test_what_training_registers_says_its_version(fw, recorded, monkeypatch, project, empty_store):
    shutil.copy(empty_store, project)
    shutil.copy(recorded / "mine.py", project)
    words = ("train", "--model", "mine.py:Net", "--dataset", "mine.py:Iris", *QUICK, "trainer.max_epochs=1")
    done = fw(*words, "--register", "net", "--json")
    assert done.json["registered"] == "net/1", done.err
    assert model_registry.find("net@dev").run_id == done.json["run_id"]


@pytest.mark.parametrize(
    "other",
    [
        ["mlops.tracking.log_model=false"],
        ["mlops.tracking.backend=none"],
        ["mlops.tracking.offline=true"],
        ["--dry-run"],
        ["--each", "seed=1,2"],
    ],
)
def test_what_leaves_no_model_to_register_is_told_before_training(fw, components, other):
    done = fw("train", "--model", "mine.py:Net", "--dataset", "mine.py:Iris", "--register", "net", *other)
    assert done.code == 2
    assert f"--register and {other[0]} cannot stand together" in done.err
    assert not Path("runs").exists()


def test_mlflow_shows_the_stages_as_aliases_tags_and_stages_of_its_own(fw, store):
    for version, stage in (("1", "production"), ("2", "staging"), ("2", "production")):
        assert fw("registry", "promote", "flowers", version, stage).code == 0
    assert store.get_model_version_by_alias("flowers", "production").version in ("2", 2)
    assert "staging" not in store.get_registered_model("flowers").aliases
    assert store.get_model_version("flowers", "2").tags["framework.stage"] == "production"
    with pytest.warns(FutureWarning, match="deprecated"):
        latest = store.get_latest_versions("flowers", ["Production"])
    assert [int(each.version) for each in latest] == [2]


def test_a_rollback_puts_back_what_stood_there_before_and_another_what_before_that(fw, store):
    for version in ("1", "2", "3"):
        fw("registry", "promote", "flowers", version, "production")
    assert stages(fw) == {"production": 3}
    assert fw("registry", "rollback", "flowers", "production", "--why", "worse").code == 0
    assert stages(fw) == {"production": 2}
    assert fw("registry", "rollback", "flowers", "production").code == 0
    assert stages(fw) == {"production": 1}
    done = fw("registry", "rollback", "flowers", "production")
    assert done.code == 2
    assert "no other version stood there before" in done.err


def test_what_is_demoted_leaves_its_stage_empty(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    record = fw("registry", "demote", "flowers", "1", "--why", "wrong labels", "--json").json
    assert (record["from_stage"], record["why"]) == ("production", "wrong labels")
    assert stages(fw) == {}
    done = fw("evaluate", "flowers@production")
    assert done.code == 2
    assert "No version of the model 'flowers' stands in 'production'" in done.err


def test_a_deleted_version_is_not_rolled_back_to(fw, store):
    for version in ("1", "2", "3"):
        fw("registry", "promote", "flowers", version, "production")
    store.delete_model_version("flowers", "2")
    assert fw("registry", "rollback", "flowers", "production", "--json").json["version"] == 1


def test_a_stage_whose_version_was_deleted_is_taken_by_another(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    store.delete_model_version("flowers", "1")
    assert fw("registry", "promote", "flowers", "2", "production").code == 0
    assert store.get_registered_model("flowers").aliases == {"production": 2}


def test_a_reason_that_is_too_long_to_be_remembered_is_told(fw, store):
    done = fw("registry", "promote", "flowers", "1", "production", "--why", "so " * 3000)
    assert done.code == 2
    assert "too long to be remembered" in done.err
    assert stages(fw) == {}


def test_the_history_says_who_when_from_where_to_where_and_why(fw, store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    fw("registry", "promote", "flowers", "1", "staging", "--why", "looks good")
    fw("registry", "promote", "flowers", "1", "production")
    first, second = fw("registry", "history", "flowers", "--json").json
    assert first["who"].startswith("ada@")
    assert (first["from_stage"], first["to_stage"], first["why"]) == ("", "staging", "looks good")
    assert (second["from_stage"], second["to_stage"]) == ("staging", "production")
    assert first["when"] < second["when"]
    assert second["previous"] == first["hash"]
    assert "looks good" in fw("registry", "show", "flowers", "1").out


def test_what_stood_where_at_a_time_is_told(fw, store):
    for version in ("1", "2"):
        fw("registry", "promote", "flowers", version, "production")
    first, second = fw("registry", "history", "flowers", "--json").json
    for when, expected in ((first["when"], 1), (second["when"], 2), (second["when"][:10], 2)):
        assert fw("registry", "at", "flowers", when, "--json").json["stages"] == {"production": expected}
    done = fw("registry", "at", "flowers", "2019-06-01")
    assert "not registered yet" in done.err
    assert "'soon' is no date" in fw("registry", "at", "flowers", "soon").err


def test_a_promotion_only_in_place_of_a_version_that_is_no_longer_there_is_not_done(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    done = fw("registry", "promote", "flowers", "3", "production", "--replaces", "2")
    assert done.code == 1
    assert "version 1 of flowers stands in production" in done.err
    assert stages(fw) == {"production": 1}
    assert fw("registry", "promote", "flowers", "3", "production", "--replaces", "1").code == 0


def rewrite(number, change):
    """Change a record of the history in the database itself."""
    with sqlite3.connect(database()) as opened:
        key = f"framework.history.{number:06d}"
        (text,) = opened.execute("SELECT value FROM params WHERE key = ?", [key]).fetchone()
        opened.execute("UPDATE params SET value = ? WHERE key = ?", [change(text), key])


def without(number):
    with sqlite3.connect(database()) as opened:
        opened.execute("DELETE FROM params WHERE key = ?", [f"framework.history.{number:06d}"])


def swapped(one, other):
    with sqlite3.connect(database()) as opened:
        keys = [f"framework.history.{number:06d}" for number in (one, other)]
        for before, after in ((keys[0], "aside"), (keys[1], keys[0]), ("aside", keys[1])):
            opened.execute("UPDATE params SET key = ? WHERE key = ?", [after, before])


def forged(text):
    """A record with another reason, and the hash that belongs to it."""
    changed = json.loads(text.replace("tested", "forged"))
    record = model_registry.Record(**changed)
    return record.text()


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda: rewrite(2, lambda text: text.replace("tested", "forged")), "record 2 is not what was written"),
        (lambda: rewrite(2, forged), "record 3 follows another record than 2"),
        (lambda: rewrite(3, forged), "record 3 is not the one that was the newest"),
        (lambda: rewrite(2, lambda text: "{"), "record 2 cannot be read"),
        (lambda: without(2), "record 2 is missing"),
        (lambda: without(3), "record 3 is missing"),
        (lambda: swapped(1, 2), "record 1 was written as record 2"),
    ],
    ids=["changed", "changed with its hash", "newest changed", "broken", "taken out", "newest taken out", "swapped"],
)
def test_a_history_that_was_tampered_with_is_found(tamper, told, fw, store):
    for version, stage in (("1", "staging"), ("1", "production"), ("2", "production")):
        fw("registry", "promote", "flowers", version, stage, "--why", "tested")
    assert fw("registry", "verify", "flowers", "--json").json == {
        "passed": True,
        "records": 3,
        "damage": [],
        "aliases": [],
    }
    tamper()
    done = fw("registry", "verify", "flowers")
    assert done.code == 1
    assert told in done.err
    # What is done afterwards does not hide it.
    assert fw("registry", "promote", "flowers", "3", "production").code == 0
    assert fw("registry", "verify", "flowers").code == 1


def test_whatever_reads_a_history_that_was_tampered_with_says_so(fw, store):
    for version in ("1", "2"):
        fw("registry", "promote", "flowers", version, "production", "--why", "tested")
    assert fw("registry", "show", "flowers").err == ""
    rewrite(1, lambda text: text.replace("tested", "forged"))
    assert "warning: The history of flowers was tampered with" in fw("registry", "show", "flowers").err


def test_an_alias_that_was_moved_by_hand_is_found_and_the_history_counts(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    store.set_registered_model_alias("flowers", "production", "2")
    done = fw("registry", "verify", "flowers")
    assert done.code == 1
    assert "the alias 'production' points to version 2, the history says version 1" in done.err
    assert model_registry.find("flowers@production").version == 1


def test_an_alias_of_mlflows_own_names_a_version_too(store):
    store.set_registered_model_alias("flowers", "champion", "3")
    assert model_registry.find("flowers@champion").version == 3
    assert model_registry.find("flowers/2").version == 2


def test_of_many_who_begin_a_history_at_once_one_does(store):
    uri, barrier, written = store.tracking_uri, threading.Barrier(6), []

    def begin(number):
        history = History(MlflowClient(uri), "flowers")
        facts = {"number": 1, "previous": "", "when": "now", "action": "promote", "from_stage": "", "to_stage": "live"}
        barrier.wait()
        if history.add(model_registry.Record(who=f"number {number}", version=number, **facts)):
            written.append(number)

    threads = [threading.Thread(target=begin, args=(each,)) for each in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.version for each in model_registry.history("flowers")] == written
    assert [each.name for each in store.search_experiments() if each.name.startswith("registry/")] == [
        "registry/flowers"
    ]


def test_a_history_whose_experiment_was_deleted_on_mlflows_page_is_still_there(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    store.delete_experiment(store.get_experiment_by_name("registry/flowers").experiment_id)
    assert fw("registry", "promote", "flowers", "2", "production").code == 0
    assert [each["version"] for each in fw("registry", "history", "flowers", "--json").json] == [1, 2]


def test_the_history_does_not_stand_among_the_runs(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    assert "There is no run yet." in fw("runs", "list").err


def test_a_project_names_its_own_stages(fw, store, project):
    (project / "config.yaml").write_text("mlops:\n  registry:\n    stages: [trial, live]\n")
    assert fw("registry", "promote", "flowers", "1", "live").code == 0
    assert stages(fw) == {"live": 1}
    done = fw("registry", "promote", "flowers", "1", "production")
    assert done.code == 2
    assert "There is no stage named 'production'" in done.err


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("stages: [live]", "at least two names that differ"),
        ("stages: [dev, latest]", "'latest' cannot be a stage"),
        ("stage: [dev, live]", "Did you mean mlops.registry.stages?"),
    ],
)
def test_stages_that_cannot_be_are_told(section, told, fw, store, project):
    (project / "config.yaml").write_text(f"mlops:\n  registry:\n    {section}\n")
    done = fw("registry", "promote", "flowers", "1", "production")
    assert done.code == 2
    assert told in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("promote", "flowerz", "1", "production"), ["no registered model named 'flowerz'", "Near it: flowers"]),
        (("promote", "flowers", "9", "production"), ["There is no version 9", "It has 1, 2, 3"]),
        (("promote", "flowers", "1", "prodction"), ["no stage named 'prodction'", "Near it: production"]),
        (("promote", "flowers", "1", "dev"), ["every version begins there"]),
        (("demote", "flowers", "1"), ["flowers/1 cannot be demoted"]),
        (("rollback", "flowers", "staging"), ["no other version stood there before"]),
        (("show", "flowers", "4"), ["There is no version 4"]),
        (("verify", "flower"), ["Near it: flowers"]),
        (("register", "lost", "flowers"), ["There is no run 'lost'"]),
        (("register", "lost", "a/b"), ["cannot be called 'a/b'"]),
    ],
)
def test_what_cannot_be_is_told_with_what_can(words, told, fw, store):
    done = fw("registry", *words)
    assert (done.code, done.out) == (2, "")
    for each in told:
        assert each in done.err


def test_what_stands_higher_or_there_already_is_not_promoted(fw, store):
    fw("registry", "promote", "flowers", "1", "production")
    assert "it stands there already" in fw("registry", "promote", "flowers", "1", "production").err
    assert "it stands in 'production', which is higher" in fw("registry", "promote", "flowers", "1", "staging").err


def test_a_run_without_a_model_is_not_registered(fw, store):
    run = store.create_run("0", run_name="bare").info.run_id
    done = fw("registry", "register", run, "flowers")
    assert done.code == 2
    assert "The run 'bare' has no model in the store." in done.err


def test_a_version_that_another_program_made_is_no_model_here(fw, store):
    done = fw("evaluate", "flowers/1")
    assert done.code == 2
    assert "flowers/1 holds no model that this framework has trained." in done.err


def test_a_model_whose_plugin_is_not_installed_is_told_with_what_to_install(fw, here):
    assert fw("registry", "register", "first", "strange").code == 0
    version = model_registry.find("strange/1")
    run = MlflowClient(version.tracking_uri).get_run(version.run_id)
    file = Path(run.info.artifact_uri.removeprefix("file://")) / "config.yaml"
    before = file.read_text()
    file.write_text(before.replace("mine.py:Net", "resnet50"))
    registry.refresh()  # each command is a process of its own
    try:
        done = fw("evaluate", "strange/1", "--no-plugins")
    finally:
        file.write_text(before)
    assert done.code == 2
    assert "It may come with framework-plugins-vision" in done.err


@pytest.mark.cold
@pytest.mark.long
def test_a_registry_that_is_read_only_says_so(fresh, store):
    database().chmod(0o444)
    options = {"preexec_fn": without_power_over_files} if os.getuid() == 0 else {}
    try:
        done = fresh("registry", "promote", "flowers", "1", "production", **options)
    finally:
        database().chmod(0o644)
    assert (done.code, done.out) == (2, "")
    assert "is read-only" in done.err


def test_files_of_a_run_and_of_a_version_are_listed_and_fetched(fw, here, tmp_path):
    assert fw("registry", "register", "first", "kept").code == 0
    assert {"config.yaml", "data.json"} <= {each["path"] for each in fw("artifacts", "ls", "first", "--json").json}
    (weights,) = [
        each
        for each in fw("artifacts", "ls", "kept/1", "data/model", "--json").json
        if each["path"].endswith("weights.safetensors")
    ]
    assert fw("artifacts", "ls", "kept@dev", weights["path"]).out.split()[-2:] == [
        weights["path"],
        f"{weights['size']:,}",
    ]
    done = fw("artifacts", "get", "kept@dev", "data/model", "-o", str(tmp_path / "got"))
    assert len(done.out.splitlines()) == 3
    assert (tmp_path / "got" / weights["path"]).stat().st_size == weights["size"]
    again = fw("artifacts", "get", "kept@dev", weights["path"], "-o", str(tmp_path / "got"))
    assert again.code == 2
    assert "weights.safetensors is there already" in again.err
    assert fw("artifacts", "get", "first", "config.yaml", "-o", str(tmp_path)).code == 0
    assert (tmp_path / "config.yaml").read_text() == Path("runs/first/config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("first", "confg.yaml"), "Near it: config.yaml"),
        (("lost",), "There is no run 'lost'"),
        (("nothing@dev",), "There is no registered model named 'nothing'"),
    ],
)
def test_files_that_are_not_there_are_told(words, told, fw, here, project):
    done = fw("artifacts", "get", *words, "-o", str(project))
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_run_whose_folder_is_elsewhere_is_registered_by_its_name_in_a_store(fw, here, monkeypatch, project):
    monkeypatch.chdir(project)
    uri = f"sqlite:///{here}/mlflow.db"
    assert fw("registry", "register", "first", "far", "--uri", uri, "--json").json["version"] == 1
    assert "the store has none of that name" in fw("registry", "register", "fist", "far", "--uri", uri).err
