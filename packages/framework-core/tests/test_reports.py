"""Runs told to people: side by side, in what they differ and which is better; and one as a page of its own."""

import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from scipy import stats

from framework_core.reports import compare
from framework_core.reports.charts import MOST_POINTS, line_chart, thinned
from framework_core.reports.student import difference_of, mean_of
from framework_core.reports.verdicts import by_samples, less_is_better

pytestmark = pytest.mark.drawn("file")

GOOD = ("optimizer.lr=0.05", "trainer.max_epochs=8")
POOR = ("optimizer.lr=0.0001", "trainer.max_epochs=8")
RUNS = {
    "good1": (*GOOD, "seed=1"),
    "good2": (*GOOD, "seed=2"),
    "poor1": (*POOR, "seed=1"),
    "poor2": (*POOR, "seed=2"),
    "others": (*GOOD, "dataset.held_out=4"),
    "nowhere": (*GOOD, "mlops.tracking.backend=none"),
    "<b>&bare": (*GOOD, "mlops.report=false", "mlops.tracking.offline=true"),
}
"""Two trials of two seeds, one that is tested on other samples, one that is recorded nowhere, one of which only its
journal tells."""


@pytest.fixture(scope="module")
def trained(trained_in):
    return trained_in("compared", RUNS)


@pytest.fixture
def here(trained, monkeypatch, project):
    monkeypatch.chdir(trained)
    return trained


class Page(HTMLParser):
    """What a page holds; tags that are not closed as they were opened are told."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_settings_and_metrics_that_differ_are_shown_and_which_is_better(fw, here):
    done = fw("runs", "compare", "good1", "poor1")
    assert done.code == 0, done.err
    lines = [re.split(r"\s{2,}", line) for line in done.out.splitlines()]
    assert ["optimizer.lr", "0.05", "0.0001"] in lines
    assert not [line for line in lines if line[0] in ("seed", "trainer.max_epochs", "fingerprint")]
    verdict = r"test/accuracy: good1 is better than poor1, -0\.\d+ \(95 % interval -0\.\d+ to -0\.\d+\)"
    assert re.search(verdict, done.out)
    assert "test/loss: good1 is better than poor1, +" in done.out


def test_what_was_found_is_json_for_a_script(fw, here):
    found = fw("runs", "compare", "good1", "poor1", "--json").json
    assert found["settings"]["optimizer.lr"] == ["0.05", "0.0001"]
    assert found["environment"] == found["code"] == found["data"] == {}
    verdict = next(each for each in found["verdicts"] if each["metric"] == "test/accuracy")
    metrics = found["metrics"]["test/accuracy"]
    assert verdict["low"] < verdict["difference"] < verdict["high"] < 0
    assert verdict["difference"] == pytest.approx(metrics[1] - metrics[0], abs=0.05)
    assert (verdict["by"], verdict["better"]) == ("samples", "good1")


def test_two_seeds_of_one_trial_are_put_together_and_trials_compared_by_their_means(here):
    found = compare(["good1", "poor1", "good2", "poor2"])
    assert [each.runs for each in found.trials] == [("good1", "good2"), ("poor1", "poor2")]
    values = [run.metrics["test/accuracy"] for run in found.runs]
    assert found.trials[0].means["test/accuracy"].mean == pytest.approx((values[0] + values[2]) / 2)
    by_seeds = [each for each in found.verdicts if each.by == "seeds"]
    assert {(each.first, each.second) for each in by_seeds} == {("good1", "poor1")}
    assert not compare(["good1", "poor2"]).trials


def test_runs_that_were_tested_on_other_samples_are_not_told_apart_by_them(fw, here):
    done = fw("runs", "compare", "good1", "others", "<b>&bare")
    assert "others: others and good1 were not tested on the same samples" in done.out
    assert "<b>&bare: <b>&bare has no resampled.json, by which tests are compared" in done.out
    assert "is better" not in done.out
    assert "dataset.held_out" in done.out


def test_runs_of_different_tasks_are_not_told_apart(here):
    first, second = compare(["good1", "poor1"]).runs
    found, why = by_samples(first, replace(second, data={**second.data, "task": "forecasting"}))
    assert (found, why) == ([], "poor1 is for forecasting, good1 for tabular-classification")


def test_a_page_needs_nothing_beside_itself_and_shows_names_as_they_are(fw, here, tmp_path):
    done = fw("runs", "compare", "good1", "poor1", "good2", "poor2", "<b>&bare", "-o", tmp_path / "page.html")
    assert (done.code, done.out) == (0, "")
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    assert page.links == []
    assert not {"script", "link", "img", "b"} & {*page.tags}
    assert "<b>&bare" in page.text
    for heading in ("Means over seeds", "Which is better", "Metrics", "Curves", "Settings that differ"):
        assert heading in page.text
    assert "http" not in text.replace("https://doi", "")
    assert page.tags.count("polyline") >= 5 * 3
    assert fw("runs", "compare", "good1", "poor1", "-o", tmp_path / "page.html").code == 2


def test_a_run_whose_folder_is_gone_is_read_from_its_store(fw, here, tmp_path):
    run = json.loads(Path("runs/poor2/run.json").read_text())["run_id"]
    expected = fw("runs", "compare", "good1", "poor2", "--json").json
    shutil.move("runs/poor2", tmp_path)
    try:
        found = fw("runs", "compare", "good1", run, "--uri", f"sqlite:///{here}/mlflow.db", "--json").json
    finally:
        shutil.move(tmp_path / "poor2", "runs")
    for part in ("settings", "verdicts", "classes", "data", "environment", "metrics"):
        assert found[part] == expected[part], part


def test_a_report_is_one_page_with_card_curves_tables_and_settings(fw, here, tmp_path):
    done = fw("report", "good1", "-o", tmp_path / "report.html")
    assert (done.code, done.out) == (0, f"written  {tmp_path / 'report.html'}\n"), done.err
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert [link for link in page.links if not link.startswith(("data:image/png;base64,", "https://"))] == []
    assert "script" not in page.tags
    for heading in ("Intended use", "Metrics", "The run", "Curves", "Settings"):
        assert heading in page.text
    assert page.tags.count("polyline") >= 3
    assert page.tags.count("img") == len([*Path("runs/good1/plots").iterdir()]) - 1


def test_what_an_author_writes_into_the_card_is_text(fw, here, tmp_path):
    card = Path("runs/good1/model_card.md")
    before = card.read_text()
    card.write_text(before + "\n<script>alert(1)</script> [here](javascript:alert(1))\n")
    try:
        assert fw("report", "good1", "-o", tmp_path / "report.html").code == 0
    finally:
        card.write_text(before)
    page = Page((tmp_path / "report.html").read_text())
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert not [link for link in page.links if link.startswith("javascript")]


def test_a_report_of_a_run_without_a_card_has_its_metrics(fw, here, tmp_path):
    assert fw("report", "<b>&bare", "-o", tmp_path / "report.html").code == 0
    page = Page((tmp_path / "report.html").read_text())
    assert "<b>&bare" in page.text
    assert "test/accuracy" in page.text
    assert "b" not in page.tags


def test_a_report_of_a_run_that_was_recorded_nowhere_is_its_card(fw, here, tmp_path):
    assert fw("report", "nowhere", "-o", tmp_path / "report.html").code == 0
    assert "test/accuracy" in Page((tmp_path / "report.html").read_text()).text


def test_a_report_of_a_run_whose_folder_is_gone_is_made_from_its_store(fw, here, tmp_path):
    run = json.loads(Path("runs/poor2/run.json").read_text())["run_id"]
    assert fw("report", "poor2", "-o", tmp_path / "here.html").code == 0
    shutil.move("runs/poor2", tmp_path)
    try:
        words = ("--uri", f"sqlite:///{here}/mlflow.db", "-o", tmp_path / "there.html")
        assert fw("report", run, *words).code == 0
    finally:
        shutil.move(tmp_path / "poor2", "runs")
    pages = [Page((tmp_path / f"{name}.html").read_text()) for name in ("here", "there")]
    assert pages[0].tags == pages[1].tags


def test_packages_that_changed_are_shown(fw, here):
    run = json.loads(Path("runs/poor1/run.json").read_text())["run_id"]
    (file,) = Path("mlruns").glob(f"*/{run}/artifacts/environment.json")
    before = file.read_text()
    environment = json.loads(before)
    was, environment["packages"]["torch"] = environment["packages"]["torch"], "1.0"
    file.write_text(json.dumps(environment))
    try:
        shown = fw("runs", "compare", "good1", "poor1", "--json").json
    finally:
        file.write_text(before)
    assert shown["environment"] == {"torch": [was, "1.0"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["good1"], "One run is compared with nothing."),
        (["good1", "good1"], "A run is compared with itself."),
        (["good1", "god2"], "There is no run 'god2'"),
        (["good1", "good2", "-o", "page.txt"], "Cannot write to page.txt: its ending names no page."),
        (["good1", "good2", "-o", "nowhere/page.html"], "there is no such folder"),
    ],
)
def test_what_cannot_be_compared_is_told(fw, here, words, said):
    done = fw("runs", "compare", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_means_and_differences_have_the_intervals_of_students_t():
    first, second = [0.91, 0.93, 0.90, 0.94], [0.95, 0.97, 0.90]
    found, expected = mean_of(first), stats.t.interval(0.95, 3, stats.tmean(first), stats.sem(first))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-3)
    found = difference_of(first, second)
    assert found.mean == pytest.approx(stats.tmean(second) - stats.tmean(first))
    welch = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))


@pytest.mark.parametrize(
    ("metric", "less"), [("test/loss", True), ("val/top5_accuracy", False), ("test/f1", False), ("test/speed", None)]
)
def test_what_is_better_is_told_by_the_name_of_a_metric(metric, less):
    assert less_is_better(metric) is less


def test_a_curve_of_a_million_points_keeps_its_spike():
    curve = [(step, 1.0) for step in range(1_000_000)]
    curve[123_456] = (123_456, 99.0)
    found = thinned(curve)
    assert len(found) <= 2 * MOST_POINTS
    assert (123_456, 99.0) in found


def test_a_curve_with_numbers_that_are_none_has_gaps_and_one_point_is_a_dot():
    drawn = line_chart("loss", {"run": (0, [(0, 1.0), (1, 2.0), (2, math.nan), (3, math.inf), (4, 1.5)])})
    assert (drawn.count("<polyline"), drawn.count("<circle")) == (1, 1)
    assert "nan" not in drawn
    assert line_chart("loss", {"run": (0, [(0, math.nan)])}) == ""
