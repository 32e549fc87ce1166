"""Published sets, where the real files are, and the published figures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FILES = "NLP_DATA"
"""Environment variable: a folder with trec/ and sms-spam/spam.csv."""

LEARNS = ("trainer.limit_train_batches=null", "optimizer=adam")


@pytest.fixture
def real():
    folder = os.environ.get(FILES)
    if not folder:
        pytest.skip(f"{FILES} names no folder")
    return Path(folder)


@pytest.mark.thorough
def test_convolutions_reach_the_published_accuracy_on_trec(real, train):
    where = ("--dataset", "trec", f"dataset.path={real / 'trec'}", "dataset.batch_size=50", "dataset.lowercase=false")
    done = train("--model", "text_cnn", *where, *LEARNS, "trainer.max_epochs=8")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/accuracy"] >= 0.882


@pytest.mark.thorough
def test_the_messages_are_read_as_they_are(real, train):
    columns = ("dataset.text_column=v2", "dataset.label_column=v1")
    where = ("--dataset", "text_table", f"dataset.path={real / 'sms-spam' / 'spam.csv'}", *columns)
    refused = train("--model", "fasttext", *where)
    assert refused.code == 2
    assert "is not UTF-8" in refused.err
    done = train("--model", "fasttext", *where, "dataset.encoding=cp1252", *LEARNS, "trainer.max_epochs=5")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/f1_macro"] > 0.95
