"""Published sets, where the real files are, and the published figures."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from framework_core import registry
from framework_core.errors import DataError

FILES = "NLP_DATA"
"""Environment variable: a folder with trec/ and sms-spam/spam.csv."""

LEARNS = ("trainer.limit_train_batches=null", "optimizer=adam")


def set_up(name, **given):
    module = registry.create_dataset(name, **given)
    module.prepare_data()
    module.setup("fit")
    return module


def written(path: str, text: str) -> str:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return str(file.parent)


def test_ag_news_is_title_and_description():
    rows = "".join(
        f'"{1 + number % 4}","Title {number}","A line\\\\and another, ""quoted""."\n' for number in range(40)
    )
    written("news/train.csv", rows)
    module = set_up("ag_news", path=written("news/test.csv", rows[: rows.index("\n") + 1]))
    assert module.class_names == ("Business", "Sci/Tech", "Sports", "World")
    assert module.texts["test"].texts == ['Title 0 A line  and another, "quoted".']
    assert module.texts["test"].labels == ["World"]
    written("news/train.csv", "Class,Title,Description\n")
    with pytest.raises(DataError, match=r"train\.csv, row 1 is not class, title and description"):
        set_up("ag_news", path="news")


def test_sst2_is_tested_on_what_has_labels():
    lines = "sentence\tlabel\n" + 'a "fine" film \t1\ntoo long \t0\n' * 10
    Path("glue").mkdir()
    with zipfile.ZipFile("glue/SST-2.zip", "w") as archive:
        archive.writestr("SST-2/train.tsv", lines)
        archive.writestr("SST-2/dev.tsv", "sentence\tlabel\nfine \t1\n")
    module = set_up("sst2", path="glue")
    assert module.class_names == ("negative", "positive")
    assert module.texts["test"].texts == ["fine"]
    assert module.texts["train"].texts[0] == 'a "fine" film'
    with pytest.raises(DataError, match=r"There is no train\.tsv in nowhere"):
        set_up("sst2", path="nowhere")


def test_imdb_leaves_reviews_without_a_label_alone():
    for number in range(20):
        written(f"aclImdb/train/{'pos' if number % 2 else 'neg'}/{number}_7.txt", "A film<br /><br />of length.")
    written("aclImdb/train/unsup/0_0.txt", "Unknown.")
    written("aclImdb/test/pos/0_9.txt", "Good.")
    module = set_up("imdb", path="aclImdb")
    assert module.class_names == ("neg", "pos")
    assert module.data_spec().split_sizes == {"train": 18, "val": 2, "test": 1}
    assert module.texts["train"].texts[0] == "A film  of length."


def test_wikitext_has_a_document_for_each_article():
    article = " = Title = \n\n Words and <unk> words . \n\n = = Section = = \n\n More of them . \n"
    for split in ("train", "valid", "test"):
        folder = written(f"wiki/wiki.{split}.tokens", article * 3)
    module = set_up("wikitext2", path=folder, block_size=8)
    separator = module.data_spec().facts["separator_id"]
    assert int(module.train_dataset.ids.eq(separator).sum()) == 3


def test_what_is_not_here_is_not_fetched_offline(monkeypatch):
    monkeypatch.setenv("FRAMEWORK_OFFLINE", "1")
    for name in ("trec", "ag_news", "sst2", "imdb", "tiny_shakespeare", "wikitext2"):
        with pytest.raises(DataError, match="nothing is fetched from the network"):
            set_up(name)


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
    more = ("optimizer.lr=0.005", "trainer.max_epochs=8")
    refused = train("--model", "fasttext", *where)
    assert refused.code == 2
    assert "is not UTF-8" in refused.err
    done = train("--model", "fasttext", *where, "dataset.encoding=cp1252", *LEARNS, *more)
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/f1_macro"] > 0.95
