"""A step of a run, made once more: the same samples, the same loss to the last bit, and nothing is written."""

import json
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EACH = "trainer.log_every_n_steps=1"


@pytest.fixture
def run(train, project):
    """A run with dropout and a curve that has every step."""
    shutil.copy(HERE / "trouble.py", project)

    def start(*words):
        done = train("model.drop_rate=0.3", "experiment.run_name=again", EACH, *words)
        assert done.code == 0, done.err
        return done

    return start


def replayed(fw, step):
    done = fw("replay", "again", "--step", step, "--json")
    assert done.code == 0, done.err
    return done.json


def files():
    return {path: path.stat().st_mtime_ns for path in sorted(Path("runs").rglob("*"))}


@pytest.mark.drawn
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_the_loss_is_the_recorded_one_to_the_last_bit(workers, run, fw):
    augmented = ("--dataset", "trouble.py:Noisy", f"dataset.num_workers={workers}", "averaging.kind=ema")
    run(*augmented, "checkpoint.every_n_train_steps=4", "checkpoint.keep_last=3")
    before = files()
    found = {step: replayed(fw, step) for step in (3, 6, 7, 10, 12)}
    assert (found[3]["start"], found[7]["start"], found[12]["start"]) == (0, 6, 8)
    assert [each["same"] for each in found.values()] == [True] * 5, found
    assert len({each["loss"] for each in found.values()}) == 5
    assert files() == before


@pytest.mark.thorough
def test_a_step_of_several_batches_and_a_scheduler_that_needs_the_end(run, fw):
    run("trainer.accumulate_grad_batches=2", "optimizer=sgd", "optimizer.lr=0.1", "scheduler=cosine")
    for step in (2, 5):
        found = replayed(fw, step)
        assert found["same"] is True, found
        assert found["batches"] == [(step - 1) * 2 % 6, (step - 1) * 2 % 6 + 1]
        assert [len(each) for each in found["samples"]] == [16, 16]
        assert set(found["gradients"]) == {"model.0", "model.3"}
        assert all(norm > 0 for norm in found["gradients"].values())


def test_a_step_that_failed_is_repeated_with_where_it_began(train, fw, project):
    shutil.copy(HERE / "trouble.py", project)
    assert train("--model", "trouble.py:NotFinite", "experiment.run_name=again", EACH).code == 1
    found = replayed(fw, 8)
    facts = json.loads(Path("runs/again/failures/1-not-finite/failure.json").read_text())
    assert found["samples"] == [facts["samples"]]
    assert found["origin"] == facts["origin"] == "the first layer whose output is not finite is 'model.1'"
    assert replayed(fw, 7)["same"] is True


@pytest.mark.thorough
def test_a_run_that_went_back_is_repeated_as_it_went_on(train, fw, project):
    shutil.copy(HERE / "trouble.py", project)
    words = ("--model", "trouble.py:NotFinite", "faults.not_finite=rollback", "experiment.run_name=again", EACH)
    assert train(*words).code == 0
    assert replayed(fw, 11)["same"] is True


@pytest.mark.thorough
def test_changed_data_is_seen(run, fw, project):
    run()
    mine = project / "mine.py"
    mine.write_text(mine.read_text().replace("float(number) for", "float(number) + 1e-3 for"))
    sys.modules.pop("mine", None)
    done = fw("replay", "again", "--step", 4)
    assert "The loss is not the recorded one, " in done.err


@pytest.mark.thorough
def test_it_is_said_where_no_loss_of_the_step_is_known(run, fw):
    run("mlops.tracking.backend=none")
    done = fw("replay", "again", "--step", 4)
    assert done.code == 0, done.err
    assert "loss " in done.out
    assert done.err.endswith("The run recorded no loss of this step alone: trainer.log_every_n_steps=1 lets it.\n")


@pytest.mark.thorough
def test_a_step_beyond_the_end_is_refused(run, fw):
    run()
    done = fw("replay", "again", "--step", 13)
    assert (done.code, done.out) == (2, "")
    assert "error: The run 'again' has no step 13.\n  Its last step is 12.\n" in done.err
