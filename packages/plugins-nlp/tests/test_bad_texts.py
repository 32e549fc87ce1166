"""Each way in which texts can be wrong has a message that says where, what is possible and what to type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_texts import made_texts

from framework_core import registry
from framework_core.errors import ConfigError, DataError

pytestmark = pytest.mark.drawn

GOOD = "text,label\n" + "".join(f"{text},{label}\n" for text, label in made_texts(60))


def set_up(content: bytes | str, name: str = "texts.csv", **given):
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    module = registry.create_dataset("text_table", path=name, **given)
    module.setup("fit")
    return module


def with_line(line: str, number: int = 5) -> str:
    lines = GOOD.splitlines()
    lines[number - 1] = line
    return "\n".join(lines) + "\n"


BAD = {
    "an empty file": ("", {}, ["texts.csv is empty.", "names the columns"]),
    "only a header": ("text,label\n", {}, ["texts.csv has no rows."]),
    "a NUL character": (with_line("a\0b,food"), {}, ["line 5 holds a NUL character", "tr -d '\\000' < texts.csv"]),
    "UTF-16 without a mark": (
        GOOD.encode("utf-16-le"),
        {},
        ["looks like UTF-16-LE without a mark", "dataset.encoding=utf-16-le"],
    ),
    "Latin-1": (
        with_line("caf\u00e9 au lait,food").encode("latin-1"),
        {},
        ["texts.csv, line 5 is not UTF-8: byte 0xE9.", "it says: 'caf\u00e9 au lait,food'", "dataset.encoding=cp1252"],
    ),
    "Latin-1 inside UTF-8": (
        with_line("na\u00efve,food").encode() + b"caf\xe9,food\n",
        {},
        ["line 62 is not UTF-8: byte 0xE9.", "1 other letters are UTF-8, so two encodings", "dataset.bad_bytes=cp1252"],
    ),
    "another encoding than was said": (
        with_line("caf\u00e9,food"),
        {"encoding": "ascii"},
        ["is not ascii: byte", "Leave dataset.encoding out"],
    ),
    "a column that was renamed": (
        GOOD,
        {"text_column": "texts"},
        [
            "texts.csv has no column 'texts'.",
            "Near it: text.",
            "Its columns are text, label.",
            "dataset.text_column=text",
        ],
    ),
    "no column that could be the text": (
        GOOD.replace("text,", "words,", 1),
        {},
        ["Which column of texts.csv has the texts? None is called text, sentence", "Its columns are words, label."],
    ),
    "two columns that could be the label": (
        GOOD.replace("text,label", "text,label,class").replace("\n", ",x\n").replace("class,x", "class"),
        {},
        ["has the labels? Label, class could be.", "dataset.label_column=NAME"],
    ),
    "a column twice": (GOOD.replace("text,label", "text,text"), {}, ["texts.csv has two columns 'text'."]),
    "semicolons": (
        GOOD.replace(",", ";"),
        {},
        ["The first line of texts.csv is one column: 'text;label'.", "dataset.delimiter=';'"],
    ),
    "a comma in a text without quotes": (
        with_line("star, moon,sky"),
        {},
        ["texts.csv, line 5 has 3 columns, and the first line 2.", "stands in quotes"],
    ),
    "a text without a label": (with_line("star moon,"), {}, ["texts.csv, line 5 has no label."]),
    "one class": (
        "text,label\n" + "star,sky\n" * 9,
        {},
        ["Every text has the label 'sky': there is nothing to tell apart."],
    ),
}


BAD["texts that are all empty"] = (
    "text,label\n" + ",sky\n,food\n" * 9,
    {},
    ["Every text to train on is empty.", "The first is texts.csv, line 2."],
)


@pytest.mark.parametrize("what", BAD)
def test_a_bad_table_is_refused_with_the_place_and_a_way_out(what):
    content, given, said = BAD[what]
    with pytest.raises(DataError) as refused:
        set_up(content, **given)
    for part in said:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json\n", "texts.jsonl, line 1 is no JSON"),
        ('{"text": "a", "label": "b"}\n[1]\n', "line 2 is no JSON object"),
        ("\n", "texts.jsonl is empty"),
        ('{"text": "a", "label": "b"}\n{"text": "c"}\n', "texts.jsonl, line 2 has no label"),
    ],
)
def test_a_bad_line_of_json_is_named(content, said):
    with pytest.raises(DataError, match=said):
        set_up(content, name="texts.jsonl")


def test_what_is_no_parquet_file_is_refused():
    with pytest.raises(DataError, match=r"texts\.parquet is no Parquet file"):
        set_up("text,label\n", name="texts.parquet")


def test_a_file_that_is_not_there_is_told_with_what_is_near():
    Path("texts.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"Near it: texts\.csv"):
        registry.create_dataset("text_table", path="text.csv").setup("fit")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_says_the_encoding(encoding, caplog):
    with caplog.at_level("INFO"):
        module = set_up(with_line("caf\u00e9,food").encode(encoding))
    assert any("caf\u00e9" in text for texts in module.texts.values() for text in texts.texts)
    assert f"texts.csv is {encoding} (by its mark)" in caplog.text


def test_an_encoding_that_was_said_is_used_and_told(caplog):
    content = with_line("caf\u00e9,food").replace("\n", "\r\n").encode("cp1252")
    with caplog.at_level("INFO"):
        module = set_up(content, encoding="cp1252")
    assert any("caf\u00e9" in text for texts in module.texts.values() for text in texts.texts)
    assert "texts.csv is cp1252 (as set)" in caplog.text


@pytest.mark.parametrize(
    ("policy", "expected"), [("cp1252", "caf\u00e9 na\u00efve"), ("replace", "caf\ufffd na\u00efve")]
)
def test_bytes_of_another_encoding_are_read_as_was_said(policy, expected):
    module = set_up(GOOD.encode() + b"caf\xe9 na\xc3\xafve,food\n", bad_bytes=policy)
    assert any(expected in texts.texts for texts in module.texts.values())


def test_columns_without_a_name_are_left_alone():
    """The SMS collection as it is passed around has three."""
    lines = [f"{label},{text},,," for text, label in made_texts(60)]
    module = set_up("\r\n".join(["v1,v2,,,", *lines]), text_column="v2", label_column="v1")
    assert module.data_spec().class_names == ("food", "sky", "sport")


def test_a_label_that_training_has_not_is_refused_or_left_out(caplog):
    Path("test.csv").write_text("text,label\nsea wave,sea\nstar moon,sky\n")
    with pytest.raises(DataError) as refused:
        set_up(GOOD, test_path="test.csv")
    assert "1 texts of test have labels that training has not: 'sea'. The first is test.csv, line 2." in str(
        refused.value
    )
    assert "dataset.unknown_labels=skip" in str(refused.value)
    module = set_up(GOOD, test_path="test.csv", unknown_labels="skip")
    assert module.data_spec().split_sizes["test"] == 1
    assert "they are left out" in caplog.text


@pytest.mark.parametrize("letters", ["moon ", "m"])
def test_an_endless_text_costs_its_head_alone(letters, caplog):
    endless = letters * (2_000_000 // len(letters))
    module = set_up(GOOD + f"{endless},sky\n", tokenizer="wordpiece")
    assert int(max(getattr(module, f"{split}_dataset").lengths.max() for split in module.texts)) <= 8192
    if letters == "moon ":
        assert "1 of 43 texts (2.33 %) are longer than 8,192 tokens and are cut" in caplog.text


def test_an_empty_text_is_told_and_kept(caplog):
    module = set_up(with_line(",food"))
    assert sum(len(texts) for texts in module.texts.values()) == 60
    assert "1 texts are empty and stand for a single unknown token" in caplog.text


def test_half_a_surrogate_pair_is_replaced():
    lines = [
        json.dumps({"text": "star \ud83d moon", "label": "sky"}),
        json.dumps({"text": "soup", "label": "food"}),
    ] * 5
    module = set_up("\n".join(lines), name="texts.jsonl")
    assert module.data_spec().class_names == ("food", "sky")


@pytest.mark.parametrize(
    ("setting", "value"), [("encoding", "latin-9000"), ("val_size", 1.0), ("max_length", 0), ("bad_bytes", "guess")]
)
def test_settings_that_cannot_be_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        registry.create_dataset("text_table", path="texts.csv", **{setting: value})


def test_a_tokenizer_that_is_not_there_is_refused():
    with pytest.raises(DataError, match=r"There is no file other/tokenizer\.json|There is no file other"):
        set_up(GOOD, tokenizer="other")
    Path("tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json is no tokenizer"):
        set_up(GOOD, tokenizer="tokenizer.json")
