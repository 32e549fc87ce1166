"""``fw drift`` and ``fw slices`` of a real run, on a log that its real model has filled."""

import json
import os
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path

import pytest
from components import iris

from framework_core.deployment.trained_model import TrainedModel
from framework_core.reports import answer_log
from framework_core.serving import prediction_log
from framework_core.serving.model import RawFile
from framework_core.serving.prediction_log import PredictionLog
from framework_core.trained import Predictor

pytestmark = pytest.mark.drawn("file")

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def kept(trained_in):
    """A folder with two runs that were tested on the same samples, one that was not, and one that has kept nothing."""
    words = ["trainer.max_epochs=20", "optimizer.lr=0.05", "mlops.tracking.backend=none", "preflight=false"]
    folder = trained_in(
        "drifting",
        {
            "good": words,
            "poor": [*words, "trainer.max_epochs=1"],
            "bare": [*words, "trainer.max_epochs=1", "mlops.report=false"],
        },
    )
    shutil.copytree(folder / "runs" / "bare", folder / "runs" / "other")
    record = folder / "runs" / "other" / "run.json"
    record.write_text(record.read_text().replace('"bare"', '"other"'))
    kept = json.loads((folder / "runs" / "poor" / "tested_samples.json").read_text())
    (folder / "runs" / "other" / "tested_samples.json").write_text(json.dumps({**kept, "target": "of other samples"}))
    return folder


@pytest.fixture
def folder(kept, monkeypatch):
    monkeypatch.chdir(kept)
    return kept


@pytest.fixture(scope="module")
def model(kept):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(kept)
        yield TrainedModel(Predictor("good"))


def flowers(add=0.0):
    """The flowers as files, wide by some centimetres more."""
    _, *rows = iris()
    return [
        RawFile(" ".join(str(float(word) + add) for word in row[:4]).encode(), ".txt", f"{number}.txt")
        for number, row in enumerate(rows)
    ]


@pytest.fixture
def logged(model, folder, tmp_path):
    """A log with what the model has answered."""

    def made(files, *, name="log.jsonl", **options):
        log = PredictionLog(tmp_path / name, **options)
        for file, rows in zip(files, model.answer(files), strict=True):
            log.answered(model, file, model.prepare(file), rows)
        log.close()
        return tmp_path / name

    return made


def test_what_is_as_the_test_was_has_not_drifted(logged, fw):
    done = fw("drift", "good", logged(flowers()), "--json")
    assert done.code == 0, done.err
    assert done.json["verdict"] is False
    assert done.json["samples"] == {"test": 30, "now": 150}
    assert {each["name"] for each in done.json["columns"]} == {"value 1", "value 2", "value 3", "value 4", "label"}


def test_what_has_moved_ends_with_1_tells_the_webhook_and_is_a_page(logged, fw, folder, monkeypatch):
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/secret-of-the-hook"
        (folder / "config.yaml").write_text(f"notify:\n  webhook: {url}\n")
        done = fw("drift", "good", logged(flowers(add=2.0)), "-o", "drift.html")
        server.shutdown()
    (folder / "config.yaml").unlink()
    assert done.code == 1
    assert "Drift in " in done.out
    assert "value 1 (input)" in done.out
    (text,) = told
    assert text.startswith("*good*, ")
    assert "Drift in " in text
    page = (folder / "drift.html").read_text()
    (folder / "drift.html").unlink()
    assert "<svg" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "secret-of-the-hook" not in page + done.out + done.err


def test_files_are_answered_and_compared(folder, fw, tmp_path):
    for file in flowers(add=2.0):
        (tmp_path / file.name).write_bytes(file.content)
    done = fw("drift", "good", tmp_path, "--json")
    assert done.code == 1
    assert done.json["samples"]["now"] == 150
    (embedding,) = (each for each in done.json["columns"] if each["part"] == "embeddings")
    assert embedding["drifted"]
    assert embedding["psi"] > embedding["by_chance"]


def test_of_few_answers_there_is_no_verdict(logged, fw):
    done = fw("drift", "good", logged(flowers(add=9.0)[:20]))
    assert done.code == 0
    assert "No verdict" in done.out
    assert "value 1: 30 values of the test, 20 now" in done.err


def test_broken_lines_and_those_of_others_are_left_out_and_counted(logged, fw):
    log = logged(flowers())
    lines = log.read_text().splitlines()
    strange = [{**json.loads(lines[0]), "run": "x" * 32}, {**json.loads(lines[1]), "features": {"value 1": [EVIL]}}]
    nan = lines[2].replace('"value 2": ', '"value 2": NaN, "old": ')
    log.write_text("\n".join([*lines, *map(json.dumps, strange), nan, "[]", "\x00", lines[3][:40]]))
    done = fw("drift", "good", log, "--json", "--fail-above", "5")
    assert done.code == 0, done.err
    assert (done.json["left_out"], done.json["broken"]) == (1, 3)


def test_of_a_long_log_the_newest_answers_are_looked_at(logged, fw, monkeypatch):
    monkeypatch.setattr(answer_log, "MOST_LINES", 40)
    log = logged([*flowers(add=5.0), *flowers()[::3]])
    done = fw("drift", "good", log, "--json")
    assert (done.code, done.json["samples"]["now"], done.json["older"]) == (0, 40, 160)


def test_names_in_a_log_are_text_on_its_page(logged, fw, folder):
    log = logged(flowers())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        line["prediction"] |= {"label": EVIL, EVIL: 1.0}
    log.write_text("\n".join(map(json.dumps, lines)))
    assert fw("drift", "good", log, "-o", "evil.html").code == 1
    page = (folder / "evil.html").read_text()
    (folder / "evil.html").unlink()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("run", "content", "told"),
    [
        ("good", "", "has no answers: it is empty"),
        ("good", "hello\n", "none of its 1 lines is one of a server's"),
        ("good", json.dumps({"time": "", "model": "wasp", "run": "f" * 32}), "It has 1 of wasp (run fff"),
        ("bare", json.dumps({"time": "", "model": "wasp", "run": "f" * 32}), "has kept nothing of its test"),
    ],
)
def test_a_log_that_says_nothing_of_a_run_is_refused(folder, fw, tmp_path, run, content, told):
    (tmp_path / "a.jsonl").write_text(content)
    done = fw("drift", run, tmp_path / "a.jsonl")
    assert done.code == 2
    assert told in done.err


def test_a_log_that_is_not_there_is_refused(folder, fw):
    assert "There is no log nowhere.jsonl" in fw("drift", "good", "nowhere.jsonl").err


def test_what_was_sent_and_texts_are_kept_only_where_somebody_asks(logged, model, tmp_path):
    (file,) = flowers()[:1]
    usual = json.loads(logged([file]).read_text())
    assert {*usual} == {"time", "model", "version", "run", "features", "prediction"}
    whole = json.loads(logged([file], name="all.jsonl", fields=["input", "file", "answer"]).read_text())
    assert (whole["input"], whole["file"]) == (file.content.decode(), "0.txt")
    log = PredictionLog(tmp_path / "said.jsonl")
    several = {"tags": ["setosa", "setosa", "virginica", "versicolor"], "shares": {"setosa": 0.25, EVIL: 1.0}}
    more = {"label": "setosa", "scores": [1.0, 2.0], "words": ["three", "of", "them"], "none": []}
    log.answered(model, file, file, [{"text": "a person's words", **more, **several}])
    log.close()
    assert json.loads((tmp_path / "said.jsonl").read_text())["prediction"] == {
        "text length": 16.0,
        "label": "setosa",
        "scores": 1.5,
        "words": 3.0,
        "none": 0.0,
        "tags": 4.0,
        "tags setosa": 0.5,
        "tags versicolor": 0.25,
        "tags virginica": 0.25,
        "shares setosa": 0.25,
    }
    assert (tmp_path / "said.jsonl").stat().st_mode & 0o077 == 0


def test_a_share_of_answers_is_kept(logged):
    assert 20 < len(logged(flowers() * 2, share=0.2).read_text().splitlines()) < 110


def test_full_files_are_set_aside_and_read_again(logged, fw, tmp_path):
    log = logged(flowers(), name="predictions.jsonl", size=0.01)
    assert log.stat().st_size <= 10_000
    assert 2 <= len(list(tmp_path.glob("predictions.jsonl.*"))) <= prediction_log.KEPT
    assert fw("drift", "good", tmp_path, "--json").json["samples"]["now"] > 100


def test_a_line_that_was_broken_off_is_ended_and_a_disk_that_is_full_stops_nobody(model, tmp_path, caplog):
    (file,) = flowers()[:1]
    place = tmp_path / "log.jsonl"
    place.write_text('{"time": "20')
    left = []
    log = PredictionLog(place, left_out=lambda: left.append(1))
    log.answered(model, file, file, [{"label": "setosa"}])
    log.close()
    first, second = place.read_text().splitlines()
    assert first == '{"time": "20'
    assert json.loads(second)["prediction"] == {"label": "setosa"}
    if Path("/dev/full").exists():
        full = PredictionLog(tmp_path / "full.jsonl", left_out=lambda: left.append(1))
        os.dup2(os.open("/dev/full", os.O_WRONLY), full._handle)
        for _ in range(3):
            full.answered(model, file, file, [{"label": "setosa"}])
        full.close()
        assert len(left) == 3
        assert caplog.text.count("Some answers are not in") == 1


def test_nobody_waits_for_a_log_that_is_slow(model, tmp_path, caplog):
    (file,) = flowers()[:1]
    held, left = threading.Event(), []

    class Slow:
        name, version, about = "slow", "1", {}

        def features(self, prepared):
            held.wait(20)
            return [{}]

    log = PredictionLog(tmp_path / "log.jsonl", left_out=lambda: left.append(1))
    began = time.monotonic()
    for _ in range(prediction_log.MOST_WAITING + 50):
        log.answered(Slow(), file, file, [{}])
    assert time.monotonic() - began < 2
    held.set()
    assert len(left) >= 49
    assert "more is answered than can be written" in caplog.text


def test_slices_are_the_worst_first_with_counts_and_intervals(folder, fw):
    done = fw("slices", "good", "--by", "class", "--json")
    assert done.code == 0, done.err
    found = done.json["slices"]
    assert [each["samples"] for each in found] == [10, 10, 10]
    assert all(each["small"] for each in found)
    assert [each["mean"] for each in found] == sorted(each["mean"] for each in found)
    assert all(0 <= each["low"] <= each["mean"] <= each["high"] <= 1 for each in found)
    right = sum(each["mean"] * each["samples"] for each in found)
    assert done.json["whole"]["mean"] == pytest.approx(right / 30)
    shown = fw("slices", "good")
    assert "accuracy of good" in shown.out
    assert "position" in shown.out
    assert "value 1" in shown.out


def test_two_runs_differ_sample_by_sample(folder, fw):
    done = fw("slices", "good", "poor", "--metric", "loss", "--json")
    assert done.code == 0, done.err
    assert done.json["whole"]["low"] > 0
    alone = [fw("slices", run, "--metric", "loss", "--json").json["whole"]["mean"] for run in ("good", "poor")]
    assert done.json["whole"]["mean"] == pytest.approx(alone[1] - alone[0])
    means = [each["mean"] for each in done.json["slices"] if not each["small"]]
    assert means == sorted(means, reverse=True)


def test_slices_that_cannot_be_made_are_refused(folder, fw):
    assert "not tested on the same samples" in fw("slices", "good", "other").err
    assert "There is no column named 'clas'" in fw("slices", "good", "--by", "clas").err
    assert "has kept nothing of its test" in fw("slices", "bare").err
    assert fw("slices", "good", "--by", "clas").code == 2


def test_numbers_that_are_none_take_part_in_nothing(folder, fw, tmp_path):
    shutil.copytree(folder / "runs" / "good", tmp_path / "holes")
    file = tmp_path / "holes" / "tested_samples.json"
    kept = json.loads(file.read_text())
    kept["scores"]["loss"]["values"][:10] = [None] * 10
    kept["features"] = {name: [None] * 30 for name in islice(kept["features"], 2)}
    file.write_text(json.dumps(kept))
    done = fw("slices", tmp_path / "holes", "--metric", "loss", "--json")
    assert done.code == 0, done.err
    assert sum(each["samples"] for each in done.json["slices"] if each["column"] == "position") == 20
    kept["scores"]["loss"]["values"] = [None] * 30
    file.write_text(json.dumps(kept))
    assert "none of 30 samples has a value that is a number" in fw("slices", tmp_path / "holes", "--metric", "loss").out


def test_a_run_that_is_still_going_has_no_test_yet(folder, fw, tmp_path):
    shutil.copytree(folder / "runs" / "bare", tmp_path / "going")
    record = json.loads((tmp_path / "going" / "run.json").read_text())
    (tmp_path / "going" / "run.json").write_text(json.dumps({**record, "status": "running"}))
    for words in (("slices", tmp_path / "going"), ("drift", tmp_path / "going", tmp_path)):
        done = fw(*words)
        assert done.code == 2
        assert "'bare' is still going" in done.err


def test_of_a_registered_version_the_store_knows_the_test(trained_in, fw, monkeypatch, tmp_path):
    folder = trained_in("registered", {"stored": ["trainer.max_epochs=5", "preflight=false"]})
    monkeypatch.chdir(folder)
    assert fw("registry", "register", "stored", "irises").code == 0
    shutil.rmtree(folder / "runs")
    model = TrainedModel(Predictor("irises/1"), name="irises", version="1")
    log = PredictionLog(tmp_path / "log.jsonl")
    files = flowers()
    for file, rows in zip(files, model.answer(files), strict=True):
        log.answered(model, file, file, rows)
    log.close()
    done = fw("drift", "irises@dev", tmp_path / "log.jsonl", "--json")
    assert done.code == 0, done.err
    assert done.json["samples"] == {"test": 30, "now": 150}
    assert fw("slices", "irises@dev", "--json").json["samples"] == 30
