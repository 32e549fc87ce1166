"""``fw slices`` of a model that says itself what its test came to, and of data that says when a sample was."""

import json
import shutil

import pytest

pytestmark = pytest.mark.drawn("file")

OWN = '''
from framework_core.contracts import SampleScore, ScoredSamples
from mine import Iris, Net


class Own(Net):
    """Gives no outputs, and says by itself how sure it was of each flower."""

    missing = 0

    def on_test_start(self):
        self.sure, self.labels = [], []

    def test_step(self, batch, batch_idx):
        found = self._evaluate(batch, "test", self.test_metrics)
        chances = found["outputs"].softmax(dim=1)
        self.sure += chances.gather(1, found["target"][:, None])[:, 0].tolist()
        self.labels += found["target"].tolist()
        return {}

    def scored_samples(self, outputs, target):
        assert outputs is None and target is None
        weights = [1.0 + label for label in self.labels]
        halves = {"<b>up": SampleScore(values=self.sure), "down": SampleScore(values=[x / 2 for x in self.sure])}
        sure = SampleScore(values=self.sure, weights=weights, parts={"half": halves})
        return ScoredSamples(
            truth=self.labels[self.missing :],
            scores={"sure": sure, "doubt": SampleScore(values=[1 - x for x in self.sure], less_is_better=True)},
            groups={"kind": [str(label) for label in self.labels]},
            times={"step": list(range(len(self.labels)))},
            clusters=[number // 3 for number in range(len(self.labels))],
            answers=[{"sure": x} for x in self.sure for _ in range(2)],
        )


class Short(Own):
    missing = 1


class Dated(Iris):
    """Flowers that were seen one after another, by two people."""

    def setup(self, stage=None):
        super().setup(stage)
        days = [f"2026-{1 + number // 10:02}-{1 + number % 10:02}T08:00:00Z" for number in range(30)]
        who = ["<script>alert(1)</script>" if number % 2 else "Ada" for number in range(30)]
        self.groups = {"test": {"seen": days, "who": who}}
'''


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with a run of a user's own model, twice."""
    from components import __file__ as mine

    from framework_core.config.compose import compose
    from framework_core.run import train

    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(OWN)
    shutil.copy(mine, folder / "mine.py")
    common = ["trainer.accelerator=cpu", "mlops.tracking.backend=none", "preflight=false"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        for name, epochs in (("first", 1), ("second", 12)):
            words = [*common, f"trainer.max_epochs={epochs}", "optimizer.lr=0.02", f"experiment.run_name={name}"]
            train(compose(words, model="own.py:Own", dataset="own.py:Dated").config)
    return folder


@pytest.fixture
def folder(kept, monkeypatch):
    monkeypatch.chdir(kept)
    return kept


def test_a_metric_of_ones_own_is_cut_by_everything_that_is_known(folder, fw):
    done = fw("slices", "first", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert (found["metric"], found["metrics"], found["clustered"]) == ("sure", ["sure", "doubt"], True)
    kept = json.loads((folder / "runs" / "first" / "tested_samples.json").read_text())
    values, weights = (kept["scores"]["sure"][key] for key in ("values", "weights"))
    total = sum(value * weight for value, weight in zip(values, weights, strict=True))
    assert found["whole"]["mean"] == pytest.approx(total / sum(weights), rel=1e-4)
    columns = {}
    for each in found["slices"]:
        columns.setdefault(each["column"], set()).add(each["value"])
    assert columns["half"] == {"<b>up", "down"}
    assert columns["kind"] == {"0", "1", "2"}
    assert len(columns["seen"]) == len(columns["step"]) == 4
    assert all(each.startswith("2026-0") and " to 2026-0" in each for each in columns["seen"])
    assert {"who", "value 1", "position"} <= set(columns)


def test_a_loss_is_worst_where_it_is_highest(folder, fw):
    found = fw("slices", "first", "--metric", "doubt", "--by", "kind", "--json").json
    assert found["less_is_better"]
    means = [each["mean"] for each in found["slices"]]
    assert means == sorted(means, reverse=True)


def test_two_runs_of_it_are_compared_and_what_is_asked_for_has_to_be_there(folder, fw):
    found = fw("slices", "first", "second", "--by", "half", "--json").json
    alone = [fw("slices", run, "--json").json["whole"]["mean"] for run in ("first", "second")]
    assert found["whole"]["mean"] == pytest.approx(alone[1] - alone[0], abs=1e-5)
    refused = fw("slices", "first", "--metric", "accuracy")
    assert refused.code == 2
    assert "There is no metric named 'accuracy'" in refused.err
    assert "sure" in refused.err


def test_names_on_the_page_are_text(folder, fw, tmp_path):
    done = fw("slices", "first", "-o", tmp_path / "slices.html")
    assert done.code == 0, done.err
    page = (tmp_path / "slices.html").read_text()
    assert "<script" not in page
    assert "<b>up" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "intervals are told from their clusters" in page
    assert "http" not in page
    assert fw("slices", "first", "-o", tmp_path / "slices.html").code == 2
    assert "its ending names no page" in fw("slices", "first", "-o", "slices.pdf").err


def test_what_it_answered_is_compared_with_a_log(folder, fw, tmp_path):
    lines = [
        {"time": "", "model": "m", "run": "first", "features": {}, "prediction": {"sure": 0.01}} for _ in range(80)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = fw("drift", "first", tmp_path / "log.jsonl", "--json")
    assert done.code == 1, done.err
    (column,) = done.json["columns"]
    assert (column["name"], column["test"], column["counts"]) == ("sure", "KS", [60, 80])


def test_lists_of_other_lengths_are_refused_by_name(folder, fw):
    quick = ("trainer.accelerator=cpu", "mlops.tracking.backend=none", "trainer.max_epochs=1", "preflight=false")
    done = fw("train", "--model", "own.py:Short", "--dataset", "own.py:Dated", *quick)
    assert done.code == 2
    assert "Short.scored_samples does not fit the test of 29 samples" in done.err
    assert "scores of sure: 30" in done.err
