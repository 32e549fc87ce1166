"""Texts as numbers: batches, lengths, tokenizers, and the splits of each dataset."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch
from made_texts import made_texts

from framework_core import registry
from framework_core.errors import DataError
from framework_plugins_nlp.datasets import topics as topics_module
from framework_plugins_nlp.tokenization import KINDS, Tokenizer
from framework_plugins_nlp.tokens import LengthBuckets

TEXTS = [text for text, _ in made_texts(60)]


def set_up(name: str, **given):
    module = registry.create_dataset(name, **given)
    module.prepare_data()
    module.setup("fit")
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_each_tokenizer_gives_back_the_words_it_read(kind):
    tokenizer = Tokenizer.train(kind, TEXTS, vocabulary_size=400)
    encoded = tokenizer.encode(TEXTS)
    for index, text in enumerate(TEXTS):
        ids = encoded.ids[encoded.offsets[index] : encoded.offsets[index + 1]].tolist()
        assert tokenizer.decode(ids).strip() == text
    again = Tokenizer.of(tokenizer.facts())
    assert again.encode(TEXTS).ids.tolist() == encoded.ids.tolist()
    if kind != "unigram":  # its scores differ a little each time: what was learned is kept
        assert Tokenizer.train(kind, TEXTS, vocabulary_size=400).facts() == tokenizer.facts()


def test_what_was_learned_of_the_same_texts_is_not_learned_again(table, caplog):
    path = str(table())
    first = set_up("text_table", path=path, tokenizer="unigram", vocabulary_size=60)
    with caplog.at_level("INFO"):
        again = set_up("text_table", path=path, tokenizer="unigram", vocabulary_size=60)
        set_up("text_table", path=path, tokenizer="unigram", vocabulary_size=61)
    assert again.data_spec().facts == first.data_spec().facts
    assert caplog.text.count("learned before from the same texts") == 1


def test_a_long_text_is_cut_and_an_empty_one_is_one_unknown_token():
    tokenizer = Tokenizer.train("word", TEXTS)
    encoded = tokenizer.encode(["moon " * 10, "", "moon"], max_length=4)
    assert encoded.offsets.tolist() == [0, 4, 5, 6]
    assert (encoded.cut, encoded.empty) == (1, 1)
    assert encoded.ids[4] == tokenizer.unknown_id


def test_a_text_of_ten_million_characters_is_read_in_part():
    tokenizer = Tokenizer.train("word", TEXTS)
    encoded = tokenizer.encode(["moon cloud " * 1_000_000, "star"], max_length=128)
    assert encoded.offsets.tolist() == [0, 128, 129]
    assert encoded.cut == 1


def test_a_batch_is_as_wide_as_its_longest_text(table):
    module = set_up("text_table", path=str(table()))
    tokens, labels = module.train_dataset.batch(torch.tensor([3, 0, 5]))
    assert tokens.dtype == labels.dtype == torch.int64
    assert tokens.shape[1] == int(module.train_dataset.lengths[[3, 0, 5]].max())
    for row, index in zip(tokens, [3, 0, 5], strict=True):
        text = module.texts["train"].texts[index]
        assert module.tokenizer.decode(row.tolist()) == text


def test_texts_of_nearly_one_length_make_a_batch_and_none_is_left_out():
    lengths = torch.randint(1, 300, (1003,), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    order = list(LengthBuckets(lengths, batch_size=16))
    assert sorted(order) == list(range(1003))
    batches = torch.tensor(order[:992]).view(-1, 16)
    filled = lengths[batches].amax(dim=1, keepdim=True).expand_as(batches)
    assert float(lengths[batches].sum() / filled.sum()) > 0.95
    assert order != list(LengthBuckets(lengths, batch_size=16))


def test_classes_have_the_same_shares_in_each_split(table):
    module = set_up("text_table", path=str(table(count=300)))
    assert module.data_spec().split_sizes == {"train": 210, "val": 30, "test": 60}
    for split, count in (("train", 70), ("val", 10), ("test", 20)):
        assert set(Counter(module.texts[split].labels).values()) == {count}
    other = set_up("text_table", path=str(table(count=300)), split_seed=1)
    assert other.texts["test"].texts != module.texts["test"].texts
    assert other.data_spec().fingerprint != module.data_spec().fingerprint
    assert set_up("text_table", path=str(table(count=300))).data_spec().fingerprint == module.data_spec().fingerprint


def test_every_kind_of_table_gives_the_same_texts(table):
    module = set_up("text_table", path=str(table()))
    pairs = made_texts(90)
    Path("t.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in pairs))
    Path("t.jsonl").write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs))
    texts, labels = zip(*pairs, strict=True)
    pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels}), "t.parquet")
    for name in ("t.tsv", "t.jsonl", "t.parquet"):
        assert set_up("text_table", path=name).data_spec().fingerprint == module.data_spec().fingerprint


def test_folders_by_class_are_read_with_their_splits():
    for split, count in (("train", 12), ("dev", 6), ("test", 9)):
        for index, (text, label) in enumerate(made_texts(count, seed=len(split))):
            file = Path("texts") / split / label / f"{index}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\nand more", encoding="utf-8")
    module = set_up("text_folder", path="texts")
    assert module.data_spec().split_sizes == {"train": 12, "val": 6, "test": 9}
    assert module.data_spec().class_names == ("food", "sky", "sport")
    assert module.new_texts(Path("texts/test/food/1.txt"))[0].text.endswith("\nand more")
    assert set_up("text_folder", path="texts/train").data_spec().split_sizes["train"] < 12


def test_lines_with_a_label_in_front_are_coarse_or_fine():
    lines = ["LOC:city Where is it ?", "NUM:dist How far ?", "LOC:mount How high: 3 ?", "HUM Who ?"] * 5
    Path("train.label").write_text("\n".join(lines) + "\n")
    module = set_up("labelled_lines", path="train.label")
    assert module.class_names == ("HUM", "LOC", "NUM")
    assert "How high: 3 ?" in module.texts["train"].texts
    fine = set_up("labelled_lines", path="train.label", labels="fine")
    assert fine.class_names == ("HUM", "LOC:city", "LOC:mount", "NUM:dist")


def test_trec_is_read_as_it_was_published():
    folder = Path("trec")
    folder.mkdir()
    train = b"".join(b"DESC:def What is caf\xe9 ?\nLOC:city Where ?\n" for _ in range(10))
    (folder / "train_5500.label").write_bytes(train)
    (folder / "TREC_10.label").write_bytes(b"LOC:city Where is it ?\n")
    module = set_up("trec", path="trec")
    assert module.data_spec().split_sizes["test"] == 1
    assert "What is caf\u00e9 ?" in module.texts["train"].texts


def test_a_number_can_be_a_label():
    rows = [f"{text},{number}" for (text, _), number in zip(made_texts(60), [10, 9, 1] * 20, strict=True)]
    Path("stars.csv").write_text("\n".join(["text,label", *rows]))
    module = set_up("text_table", path="stars.csv")
    assert module.data_spec().class_names == ("1", "9", "10")
    assert module.train_dataset.labels.unique().tolist() == [0, 1, 2]
    Path("stars.jsonl").write_text("".join(json.dumps({"text": t, "label": i % 2}) + "\n" for i, t in enumerate(TEXTS)))
    assert set_up("text_table", path="stars.jsonl").class_names == ("0", "1")


def test_the_manual_belongs_to_the_python_that_runs(monkeypatch):
    module = set_up("topics")
    spec = module.data_spec()
    assert spec.num_classes >= 5
    assert "pydoc_data.topics of Python 3" in spec.source
    text = module.texts["train"].texts[0]
    monkeypatch.setattr(
        topics_module, "manual", lambda: {"a": f"{text}. " * 3, "b": "No words in common with it here."}
    )
    with pytest.raises(DataError, match="No two topics have 40 sentences"):
        set_up("topics")


def test_a_python_without_its_manual_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match="came without pydoc_data") as refused:
        set_up("topics")
    assert "--dataset text_table" in str(refused.value)
