"""What goes wrong while a run trains is told in words, kept in a folder, and never spoils a checkpoint."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from framework_core.tracking.cuts import Cuts
from framework_core.tracking.journal import FOLDER, points_of, read

pytestmark = pytest.mark.drawn

HERE = Path(__file__).parent
NO_STORE = "mlops.tracking.backend=none"
THOROUGH = pytest.mark.thorough


@pytest.fixture
def go_wrong(train, project):
    """``fw train`` with something of trouble.py."""
    shutil.copy(HERE / "trouble.py", project)

    def run(model, *words, dataset="mine.py:Iris", name="wrong", store=NO_STORE):
        model = f"trouble.py:{model}" if model != "Net" else "mine.py:Net"
        return train("--model", model, "--dataset", dataset, f"experiment.run_name={name}", store, *words)

    return run


def failure(kind, name="wrong", number=1):
    folder = Path("runs") / name / "failures" / f"{number}-{kind}"
    return folder, json.loads((folder / "failure.json").read_text())


def saved(name="wrong"):
    from framework_core.training.checkpoint_io import read

    return read(Path("runs") / name / "checkpoints" / "last.ckpt")


def is_good(checkpoint):
    return all(bool(torch.isfinite(each).all()) for each in checkpoint["state_dict"].values())


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("layer", "the loss is nan: the first layer whose output is not finite is 'model.1'"),
        ("gradient", "a gradient is not finite: the first gradient that is not finite is that of 'model.3.weight'"),
        pytest.param("loss", "the loss is inf: every layer's output is finite, the loss is not", marks=THOROUGH),
    ],
)
def test_a_number_that_is_none_stops_the_run_and_says_where_it_began(where, words, go_wrong):
    done = go_wrong("NotFinite", f"model.where={where}")
    assert (done.code, done.out) == (1, "")
    folder, facts = failure("not-finite")
    samples = ", ".join(map(str, facts["samples"]))
    assert f"error: In step 8 {words}.\n" in done.err
    assert f"  No checkpoint was written after it.\n  The samples of the batch: {samples}.\n" in done.err
    assert f"  Everything that is known: {folder}\n  See the step again: fw replay wrong --step 8\n" in done.err
    assert (facts["epoch"], facts["batch"], facts["step"]) == (1, 1, 8)
    assert len(set(facts["samples"])) == 16
    assert len(torch.load(folder / "batch.pt", weights_only=True)[0]) == 16
    assert saved()["global_step"] == 6
    assert is_good(saved())


def test_a_failure_has_everything_in_its_folder(go_wrong, fw):
    go_wrong("NotFinite", "model.where=gradient")
    folder, facts = failure("not-finite")
    assert {file.name for file in folder.iterdir()} >= {
        "README.md",
        "batch.pt",
        "config.yaml",
        "environment.json",
        "failure.json",
        "random.pt",
        "stacks.txt",
    }
    assert "in watched" in (folder / "stacks.txt").read_text()
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0] or environment["packages"]["torch"]
    assert environment["machine"]["cores"]
    assert set(torch.load(folder / "random.pt", weights_only=True)) >= {"torch", "python", "numpy"}
    assert list(facts["losses_by_step"]) == [str(step) for step in range(1, 9)]
    assert fw("config", "validate", "--config", folder / "config.yaml").code == 0
    assert facts["replay"] in (folder / "README.md").read_text()


def test_the_sample_ids_are_those_of_the_batch(go_wrong):
    from sklearn.datasets import load_iris

    go_wrong("NotFinite")
    folder, facts = failure("not-finite")
    features = torch.tensor(load_iris().data, dtype=torch.float32)
    training = features[torch.arange(150) % 5 > 1]
    inputs, _ = torch.load(folder / "batch.pt", weights_only=True)
    assert torch.equal(training[facts["samples"]], inputs)


def test_losses_that_are_looked_at_seldom_still_tell_the_step(go_wrong):
    done = go_wrong("NotFinite", "faults.every_n_steps=5")
    assert done.code == 1
    assert "In step 8 the loss is nan" in done.err
    assert failure("not-finite")[1]["step"] == 8
    assert is_good(saved())


@pytest.mark.parametrize("every", [pytest.param(1, marks=THOROUGH), 100])
def test_no_checkpoint_is_written_of_weights_that_are_not_finite(every, go_wrong):
    """The last step of the epoch spoils them: the checkpoint of its end is the first to see it."""
    done = go_wrong("NotFinite", "model.where=gradient", "model.at=12", f"faults.every_n_steps={every}")
    assert done.code == 1
    assert re.search("In step 12 a (gradient|weight) is not finite", done.err)
    assert saved()["global_step"] == 6
    assert is_good(saved())


@pytest.mark.parametrize("where", ["layer", pytest.param("gradient", marks=THOROUGH)])
def test_a_batch_is_skipped_and_changes_nothing(where, go_wrong):
    done = go_wrong("NotFinite", f"model.where={where}", "faults.not_finite=skip", "checkpoint.every_n_train_steps=1")
    assert done.code == 0, done.err
    assert done.err.count("warning: Step 8 was left out: ") == 1
    assert saved()["global_step"] == 12
    assert is_good(saved())
    assert json.loads(Path("runs/wrong/failures/skipped.json").read_text()) == [[1, 1]]


@pytest.mark.parametrize("where", [pytest.param("layer", marks=THOROUGH), "gradient"])
def test_a_run_goes_back_and_leaves_the_batch_out(where, go_wrong):
    back = go_wrong("NotFinite", f"model.where={where}", "faults.not_finite=rollback", name="back")
    assert back.code == 0, back.err
    assert back.err.count("The run goes back to its last checkpoint, and takes no step with that batch.") == 1
    assert go_wrong("NotFinite", f"model.where={where}", "faults.not_finite=skip", name="skip").code == 0
    ends = [saved(name)["state_dict"] for name in ("back", "skip")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_run_that_goes_back_has_each_point_of_its_curves_once(go_wrong, project):
    words = ("model.at=10", "faults.not_finite=rollback", "trainer.log_every_n_steps=1")
    done = go_wrong("NotFinite", *words, store="trainer.max_epochs=2")
    assert done.code == 0, done.err
    records = list(read(project / "runs" / "wrong" / FOLDER))
    (cut,) = [each for each in records if each.kind == "cut"]
    before = [point.step for each in records if each.number < cut.number for point in points_of(each)]
    assert (cut.body["step"], max(before)) == (6, 9)
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    run_id = json.loads((project / "runs" / "wrong" / "run.json").read_text())["run_id"]
    found = client.get_metric_history(run_id, "train/loss")
    assert [point.step for point in found] == list(range(1, 13))
    kept = {point.step: point for _, point in Cuts(records).kept(records) if point.key == "train/loss"}
    assert [point.timestamp for point in found] == [kept[step].timestamp for step in range(1, 13)]


@THOROUGH
def test_a_run_that_goes_back_before_its_first_checkpoint_begins_again(go_wrong):
    done = go_wrong("NotFinite", "model.at=3", "faults.not_finite=rollback")
    assert done.code == 0, done.err
    assert is_good(saved())


@THOROUGH
def test_a_run_stops_when_it_has_skipped_enough(go_wrong):
    done = go_wrong("NotFinite", "faults.not_finite=skip", "faults.max_skips=0")
    assert done.code == 1
    assert "error: In step 8 the loss is nan" in done.err


@THOROUGH
def test_numbers_that_are_none_can_be_ignored(go_wrong):
    assert go_wrong("NotFinite", "faults.not_finite=ignore").code == 0
    assert not Path("runs/wrong/failures").exists()


SPIKE = ("trainer.max_epochs=4", "model.at=20", "faults.spike_threshold=20")


def test_a_loss_spike_is_warned_of(go_wrong):
    done = go_wrong("Spike", *SPIKE, "faults.loss_spike=warn")
    assert done.code == 0, done.err
    assert re.search(r"warning: Step 20: the loss is [\d.]+, and the last ones lie below [\d.]+; samples \d", done.err)
    assert len(re.findall("warning: Step", done.err)) == 1


@pytest.mark.parametrize("every", [1, pytest.param(6, marks=THOROUGH)])
def test_a_loss_spike_stops_the_run(every, go_wrong):
    done = go_wrong("Spike", *SPIKE, "faults.loss_spike=stop", f"faults.every_n_steps={every}")
    assert done.code == 1
    assert "error: In step 20 the loss is " in done.err
    assert failure("loss-spike")[1]["step"] == 20
    assert saved()["global_step"] == 18


@THOROUGH
def test_a_run_goes_back_before_a_loss_spike(go_wrong):
    done = go_wrong("Spike", *SPIKE, "faults.loss_spike=rollback")
    assert done.code == 0, done.err
    assert saved()["global_step"] == 24
    assert json.loads(Path("runs/wrong/failures/skipped.json").read_text()) == [[3, 1]]


@THOROUGH
def test_ordinary_losses_are_no_spike(train):
    done = train("faults.loss_spike=stop", "trainer.max_epochs=20", "model.drop_rate=0.3", NO_STORE)
    assert done.code == 0, done.err


def test_an_error_of_the_authors_own_is_shown_and_kept_without_secrets(go_wrong, monkeypatch):
    monkeypatch.setenv("TOKEN", "tops3cret")
    done = go_wrong("Crash", "experiment.description=${oc.env:TOKEN}")
    assert done.code == 1
    assert "ValueError: my own mistake with ${oc.env:TOKEN}" in done.err
    folder, facts = failure("crash")
    assert f"The run failed; everything that is known of it: {folder}" in done.err
    assert (facts["error"], facts["step"], len(facts["samples"])) == ("ValueError", 8, 16)
    assert 'raise ValueError("my own mistake' in (folder / "traceback.txt").read_text()
    kept = [file.read_bytes() for file in folder.iterdir()]
    assert not any(b"ValueError: my own mistake with tops3cret" in content for content in kept)


def test_a_failure_is_sent_to_the_tracking_store_without_the_users_data(go_wrong, project):
    go_wrong("NotFinite", store="mlops.tracking.backend=mlflow")
    run_id = json.loads(Path("runs/wrong/run.json").read_text())["run_id"]
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    sent = {Path(each.path).name for each in client.list_artifacts(run_id, "failures/1-not-finite")}
    assert {"failure.json", "README.md", "stacks.txt", "environment.json"} <= sent
    assert not {"batch.pt", "random.pt"} & sent
    assert client.get_run(run_id).info.status == "FAILED"


def test_memory_that_runs_out_names_a_batch_size_that_fits(go_wrong):
    done = go_wrong("Large", "trainer.accumulate_grad_batches=2")
    assert (done.code, done.out) == (1, "")
    assert "  Batches of 4 fit: a few steps with them were tried just now.\n" in done.err
    assert f"  Everything that is known: {failure('out-of-memory')[0]}\n" in done.err
    assert "dataset.batch_size=4 trainer.accumulate_grad_batches=8\n" in done.err
    again = go_wrong("Large", "dataset.batch_size=4", "trainer.accumulate_grad_batches=8", name="fits")
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("SIGKILL", "error: A process that loads data died: it was ended by SIGKILL.\n"),
        pytest.param("SIGSEGV", "error: A process that loads data died: it was ended by SIGSEGV.\n", marks=THOROUGH),
        pytest.param("exit", "error: A process that loads data ended by itself, with exit code 3.\n", marks=THOROUGH),
        pytest.param("sleep", "error: A process that loads data took more than 2 s for a batch.\n", marks=THOROUGH),
    ],
)
def test_a_loading_process_that_dies_or_hangs_is_told_with_its_reason(how, said, go_wrong):
    words = (f"dataset.how={how}", "trainer.max_epochs=1", *(["faults.worker_seconds=2"] if how == "sleep" else []))
    done = go_wrong("Net", *words, dataset="trouble.py:Dying")
    assert (done.code, done.out) == (1, ""), done.err
    assert said in done.err
    folder, facts = failure("worker")
    assert f"  Everything that is known: {folder}\n" in done.err
    assert facts["kind"] == "worker"
    if how in ("SIGSEGV", "sleep"):
        assert "in __getitem__" in (folder / "workers.txt").read_text()


def test_a_loading_process_that_dies_when_all_is_done_costs_nothing(go_wrong):
    done = go_wrong("EndsThem", "dataset.num_workers=1", "trainer.max_epochs=1")
    assert done.code == 0, done.err
    assert not Path("runs/wrong/failures").exists()


@pytest.mark.thorough
def test_a_step_that_hangs_is_told_with_what_every_thread_does(go_wrong):
    done = go_wrong("Stuck", "faults.hang_seconds=0.5")
    assert done.code == 0, done.err
    folder, facts = failure("hang")
    assert f"warning: Nothing has moved for 0.5 s: no step ended. What every thread was doing: {folder}" in done.err
    assert "time.sleep(3)" in (folder / "stacks.txt").read_text()
    assert facts["step"] == 8


def test_a_run_that_hangs_can_be_ended(go_wrong):
    done = go_wrong("Stuck", "faults.hang_seconds=0.5", "faults.hang=stop")
    assert done.code == 1
    assert "error: Nothing has moved for 0.5 s: no step ended.\n" in done.err
    assert saved()["global_step"] == 6


@THOROUGH
def test_a_step_is_not_held_for_a_hang_where_nobody_asks(go_wrong):
    assert go_wrong("Stuck", "faults.hang_seconds=null").code == 0
    assert not Path("runs/wrong/failures").exists()
