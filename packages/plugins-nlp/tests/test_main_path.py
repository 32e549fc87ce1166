"""From the command to the label of a text, in a run that another process could have made."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from made_texts import made_texts

TABLE = ("--dataset", "text_table", "dataset.path=texts.csv")
LEARNS = ("trainer.limit_train_batches=null", "trainer.max_epochs=3", "optimizer.lr=0.02", "dataset.batch_size=8")


def rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text("utf-8").splitlines()))


def test_a_model_alone_trains_on_pythons_own_manual(train):
    done = train("--model", "text_cnn", "model.filters=4", "model.width=16")
    assert done.code == 0, done.err
    assert "topics" in done.err
    wanted = {"accuracy", "f1_macro", "f1_micro", "mcc", "calibration_error", "loss"}
    assert {f"test/{name}" for name in wanted} <= set(done.json["metrics"])


@pytest.mark.drawn
def test_a_table_is_learned_and_new_texts_are_predicted(train, table, fw):
    table()
    done = train("--model", "fasttext", *TABLE, *LEARNS, "experiment.run_name=kinds", "mlops.report=true")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/accuracy"] > 0.9
    texts = made_texts(12, seed=7)
    Path("new.txt").write_text("".join(f"{text}\n\n" for text, _ in texts), encoding="utf-8")
    predicted = fw("predict", "kinds", "new.txt", "-o", "labels.csv")
    assert predicted.code == 0, predicted.err
    found = rows("labels.csv")
    assert [row["line"] for row in found] == [str(number) for number in range(1, 24, 2)]
    assert [row["text"] for row in found] == [text for text, _ in texts]
    right = sum(row["label"] == label for row, (_, label) in zip(found, texts, strict=True))
    assert right >= 11
    for row in found:
        shares = {name: float(row[f"probabilities.{name}"]) for name in ("food", "sky", "sport")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert max(shares, key=shares.get) == row["label"]


@pytest.mark.drawn
def test_a_run_is_measured_on_other_texts_with_its_own_tokenizer(train, table, fw):
    table()
    assert train("--model", "fasttext", *TABLE, *LEARNS, "experiment.run_name=kinds").code == 0
    lines = [f"{text} {extra}" for (text, _), extra in zip(made_texts(60, seed=3), "wxyz" * 15, strict=True)]
    with Path("other.csv").open("w", newline="") as file:
        labels = [label for _, label in made_texts(60, seed=3)]
        csv.writer(file).writerows([("text", "label"), *zip(lines, labels, strict=True)])
    measured = fw("evaluate", "kinds", "dataset.test_path=other.csv", "--json")
    assert measured.code == 0, measured.err
    assert measured.json["test/accuracy"] > 0.9
    # All of it is other data now: a tokenizer learned from it would number the words anew.
    measured = fw("evaluate", "kinds", "dataset.path=other.csv", "--json")
    assert measured.json["test/accuracy"] > 0.9


def test_the_tokenizer_is_kept_with_the_run(train, table):
    table()
    assert train("--model", "text_gru", "model.hidden=8", "model.width=8", *TABLE, "dataset.tokenizer=bpe").code == 0
    (folder,) = Path("runs").iterdir()
    facts = json.loads((folder / "data.json").read_text("utf-8"))["facts"]
    assert facts["tokenizer_kind"] == "bpe"
    assert json.loads(facts["tokenizer"])["model"]["type"] == "BPE"


@pytest.mark.drawn
def test_the_report_tells_of_each_class_and_of_the_worst_mistakes(train, table):
    path = table(count=60)
    lines = path.read_text("utf-8").splitlines()
    lines[1::7] = [line.rpartition(",")[0] + ",food" for line in lines[1::7]]
    path.write_text("\n".join(lines), encoding="utf-8")
    done = train("--model", "fasttext", *TABLE, "mlops.report=true")
    assert done.code == 0, done.err
    (folder,) = Path("runs").iterdir()
    assert {"confusion_matrix.png", "calibration.png"} <= {path.name for path in (folder / "plots").iterdir()}
    of_classes = rows(str(folder / "tables" / "per_class.csv"))
    assert [row["class"] for row in of_classes] == ["food", "sky", "sport"]
    worst = rows(str(folder / "tables" / "worst_mistakes.csv"))
    assert all(row["true"] != row["predicted"] for row in worst)
    assert [float(row["loss"]) for row in worst] == sorted((float(row["loss"]) for row in worst), reverse=True)
    texts = {text for text, _ in made_texts(60)}
    assert {row["text"] for row in worst} <= texts


def test_a_model_brings_what_it_can_read(train, table):
    table()
    done = train("--model", "small_bert", "model.positions=8", "model.width=16", "model.depth=1", *TABLE)
    assert done.code == 0, done.err
    assert "tokenizer wordpiece" in done.err
    assert "are longer than 8 tokens and are cut" in done.err


def test_texts_that_training_has_too_are_told(train, table):
    table()
    done = train("--model", "fasttext", *TABLE, "dataset.test_path=texts.csv", "duplicates.action=refuse")
    assert done.code == 2
    assert "test samples are in train too" in done.err
