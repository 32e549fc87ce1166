"""A training of many processes that is tried on one machine, rank by rank: what is wrong is named, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

ASTRAY = Path(__file__).with_name("astray.py")

MODELS = {
    "UnusedLayer": ("unused", [0, 1, 2, 3], ("spare.weight, spare.bias", "ddp_find_unused_parameters_true")),
    "SkippedLayer": ("unused", [2], ("gate.weight, gate.bias", "the others wait for it")),
    "Conditional": ("collectives", [0], ("step 2", "all_reduce of 3 float32", "astray.py:43 in training_step")),
    "ConditionalLog": ("collectives", [1], ("validation", "logged as val/mine", "by no other rank")),
    "OtherShape": ("collectives", [3], ("step 1", "all_reduce of 4 float32", "all_reduce of 3 float32")),
    "SeedOfRank": ("seed", [1, 2, 3], ("model.0.weight", "a seed goes by the rank")),
    "ValueOfRank": ("parameters", [3], ("scale is built with other values",)),
    "WidthOfRank": ("parameters", [1], ("model.0.weight is 8x4 float32, and 16x4 float32 elsewhere",)),
    "Fails": ("error", [2], ("ValueError: no luck", "in training_step")),
}
DATA = {
    "OwnSampler": ("batches", [0], ("12 batches in an epoch, and 6 batches elsewhere",)),
    "Streamed dataset.share=uneven": ("batches", [3], ("5 batches in an epoch, and 3", "limit_train_batches=3")),
    "Streamed dataset.share=none": ("samples", [0, 1, 2, 3], ("the same samples in the first step",)),
    "Iris dataset.batch_size=3": ("batch", [0, 1, 2, 3], ("less than one sample for each of 4 ranks",)),
    "Iris dataset.batch_size=6": ("batch", [0, 1, 2, 3], ("gives 1 for some ranks and 2 for others", "batch_size=8")),
    "Tiny": ("samples", [0, 1, 2, 3], ("3 samples to train on are fewer than 4 ranks",)),
}


@pytest.fixture
def rehearse(fw, components, project):
    (project / "astray.py").write_text(ASTRAY.read_text())

    def done(*words, ranks=4):
        return fw("launch", "--dry-run", "--ranks", str(ranks), "--json", "--", *words)

    return done


@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_does_in_some_ranks_only_is_named(model, rehearse):
    found = rehearse("-m", f"astray.py:{model}", "-d", "mine.py:Iris")
    holds(found, *MODELS[model])


@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("data", DATA)
def test_data_that_ranks_cannot_share_is_named(data, rehearse):
    found = rehearse("-m", "mine.py:Net", "-d", *f"astray.py:{data}".split())
    holds(found, *DATA[data])


def holds(done, kind, ranks, words):
    """One fault, of these ranks, that says so."""
    assert done.code == 1, done.err
    (fault,) = done.json["faults"]
    assert (fault["kind"], fault["ranks"]) == (kind, ranks)
    said = f"{fault['what']} {fault['remedy']}"
    assert all(word in said for word in words), said


@pytest.mark.drawn
def test_settings_and_data_that_go_by_rank_are_named_with_what_comes_of_them(rehearse):
    done = rehearse("-m", "mine.py:Net", "-d", "astray.py:Fewer", "trainer.max_epochs=${oc.env:RANK,1}")
    named = [(each["kind"], each["ranks"], each["what"]) for each in done.json["faults"]]
    assert ("settings", [1], "data train is 80 samples, and 90 samples elsewhere") in named
    assert any(kind == "settings" and what.startswith("trainer.max_epochs is") for kind, _, what in named)
    assert any(kind == "batches" and ranks == [1] for kind, ranks, _ in named)


@pytest.mark.drawn
def test_what_goes_by_the_rank_and_does_not_matter_is_no_fault(rehearse, project):
    before = sorted(project.rglob("*"))
    words = ("strategy=fsdp2", "dataset.batch_size=15")
    done = rehearse("-m", "astray.py:Good", "-d", "astray.py:Streamed", *words, ranks=3)
    assert done.code == 0, done.out
    assert (done.json["ranks"], done.json["strategy"], done.json["faults"]) == (3, "fsdp2", [])
    assert [each for each in sorted(project.rglob("*")) if "__pycache__" not in each.parts] == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ranks", "6", "--", "distributed.enabled=true", "distributed.devices=4"), "1 x 4 processes"),
        (("--",), "how many processes train is not said"),
        (("--ranks", "2", "--", "strategy=dp"), "strategy"),
        (("--ranks", "2", "--render", "slurm", "--"), "--dry-run and --render slurm"),
        (("--ranks", "2", "--image", "mine:1", "--"), "--image"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused(words, said, fw, components):
    done = fw("launch", "--dry-run", *words, "-m", f"{components}:Net", "-d", f"{components}:Iris")
    assert done.code == 2
    assert said in done.err


def test_a_file_or_a_rehearsal_is_asked_for(fw, components):
    done = fw("launch", "--", "-m", f"{components}:Net")
    assert done.code == 2
    assert "--render" in done.err
    assert "--dry-run" in done.err


@pytest.mark.drawn
def test_data_that_nobody_could_train_on_is_refused_as_by_train(rehearse):
    done = rehearse("-m", "mine.py:Net", "-d", "astray.py:Missing")
    assert done.code == 2
    assert "There is no file iris.csv" in done.err
