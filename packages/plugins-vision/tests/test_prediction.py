"""A trained network predicts image files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from framework_core import predict
from framework_core.errors import DataError


@pytest.fixture
def trained(pictures, train):
    """A run on two colours."""
    pictures("pets", {"cat": 20, "dog": 20})
    done = train(
        *("--model", "resnet20", "--dataset", "image_folder", "dataset.path=pets", "dataset.image_size=16"),
        *("dataset.batch_size=8", "trainer.max_epochs=5", "optimizer.lr=0.001", "experiment.run_name=colours"),
    )
    assert done.code == 0, done.err
    return done.json


@pytest.mark.drawn
def test_files_and_folders_become_a_table_of_classes_with_their_names(trained, pictures, fw):
    new = pictures("new", {"dog": 2, "cat": 1}, ending="jpg")
    (new / "notes.txt").write_text("no image")
    done = fw("predict", "colours", "new", "pets/cat/0.png", "-o", "out.csv")
    assert done.code == 0, done.err
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == ["new/cat/0.jpg", "new/dog/0.jpg", "new/dog/1.jpg", "pets/cat/0.png"]
    assert list(rows[0]) == ["path", "label", "confidence", "probabilities.cat", "probabilities.dog"]
    assert [row["label"] for row in rows] == ["cat", "dog", "dog", "cat"]
    for row in rows:
        shares = {name: float(row[f"probabilities.{name}"]) for name in ("cat", "dog")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert float(row["confidence"]) == shares[row["label"]] == max(shares.values())

    (new / "cat" / "0.jpg").write_bytes((new / "cat" / "0.jpg").read_bytes()[:300])
    broken = fw("predict", "colours", "new", "-o", "broken.csv")
    assert broken.code == 2
    assert broken.err.count("error:") == 1
    assert "The image new/cat/0.jpg cannot be read: it is cut short" in broken.err
    assert "Traceback" not in broken.err
    assert not Path("broken.csv").exists()
    with pytest.raises(DataError, match=r"The image new/cat/0\.jpg cannot be read: it is cut short") as refused:
        predict("colours", [Path("new")], overrides=["dataset.num_workers=1"])
    assert "Traceback" not in str(refused.value)


@pytest.mark.drawn
def test_a_digit_in_a_picture_is_recognised(train, fw, project):
    """By a network that saw a few batches only: what counts is that it is prepared as the training images were."""
    from PIL import Image
    from sklearn.datasets import load_digits

    done = train(
        *("--model", "resnet20", "--dataset", "digits", "dataset.image_size=8", "trainer.max_epochs=3"),
        *("optimizer.lr=0.01", "dataset.augmentation=none"),
    )
    assert done.code == 0, done.err
    real = load_digits()
    for index in range(40):
        Image.fromarray((real.images[index] / 16 * 255).astype("uint8")).save(project / f"{index:02}.png")
    files = sorted(str(path.name) for path in project.glob("*.png"))
    rows = fw("predict", "last", *files, "-o", "out.csv")
    assert rows.code == 0, rows.err
    labels = [int(row["label"]) for row in csv.DictReader(Path("out.csv").read_text().splitlines())]
    right = sum(label == target for label, target in zip(labels, real.target[:40].tolist(), strict=True))
    assert right / 40 == pytest.approx(done.json["metrics"]["test/accuracy"], abs=0.2)
    assert right > 20
