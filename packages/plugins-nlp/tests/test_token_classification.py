"""Words with tags: how files are read, which entities tags mark, what is measured, and what is refused."""

from __future__ import annotations

import csv
import itertools
import json
import random
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import processors

from framework_core import registry
from framework_core.errors import DataError
from framework_plugins_nlp.datasets.markup import tagged
from framework_plugins_nlp.entity_scores import EntityF1, EntityPrecision, EntityRecall, of_each_type
from framework_plugins_nlp.sentence_rows import marked_text
from framework_plugins_nlp.tags import Entity, as_learned, entities, told
from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.word_encoding import encode_words

PEOPLE, PLACES = ["Ada", "Grace", "Alan", "Edsger"], ["Rome", "Oslo", "Lima"]
WHERE = ("--dataset", "conll", "dataset.path=names.conll", "dataset.batch_size=8")


def made_sentences(count: int, seed: int = 0) -> list[list[tuple[str, str]]]:
    """Who visited which place, a person with one name or two."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        second = [("Hopper", "I-PER")] if number % 3 == 0 else []
        who, where = chance.choice(PEOPLE), chance.choice(PLACES)
        rest = chance.choices(["today", "again", "soon", "with", "them"], k=chance.randint(1, 4))
        more = [(word, "O") for word in rest]
        found.append([(who, "B-PER"), *second, ("visited", "O"), (where, "B-LOC"), *more, (".", "O")])
    return found


def written(sentences) -> str:
    return "\n\n".join("\n".join(f"{word} X {tag}" for word, tag in sentence) for sentence in sentences) + "\n"


def set_up(text: str, name: str = "names.conll", kind: str = "conll", **given):
    Path(name).write_text(text, encoding="utf-8")
    module = registry.create_dataset(kind, path=name, **{"batch_size": 8, **given})
    module.setup("fit")
    return module


ENTITIES = {
    "O B-PER I-PER O B-LOC": [("PER", 1, 3), ("LOC", 4, 5)],
    "B-PER B-PER I-LOC": [("PER", 0, 1), ("PER", 1, 2), ("LOC", 2, 3)],
    "O I-PER I-PER O": [("PER", 1, 3)],
    "I-PER B-PER": [("PER", 0, 1), ("PER", 1, 2)],
    "B-A I-A E-A S-A O S-B": [("A", 0, 3), ("A", 3, 4), ("B", 5, 6)],
    "E-A I-A": [("A", 0, 1), ("A", 1, 2)],
    "B I O B": [("_", 0, 2), ("_", 3, 4)],
    "B-a-b I-a-b": [("a-b", 0, 2)],
}
"""Worked out by the rules of conlleval; seqeval 1.2.2 gives the same."""


@pytest.mark.parametrize("tags", ENTITIES)
def test_the_entities_of_tags_are_those_of_conlleval(tags):
    assert entities(tags.split()) == [Entity(*each) for each in ENTITIES[tags]]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-A I-A O B-A", "bio"),
        ("I-A I-A O I-A B-A", "iob1"),
        ("B-A I-A E-A S-B", "iobes"),
        ("B-A L-A U-B", "iobes"),
        ("O I-A O B-A", "bio"),
        ("NOUN VERB O", "none"),
    ],
)
def test_tags_tell_their_scheme(tags, scheme):
    assert told([tags.split()]) == scheme


def test_every_scheme_is_learned_with_the_same_entities():
    assert as_learned(["I-A", "I-A", "O", "I-A", "B-A", "I-B"], "iob1") == ["B-A", "I-A", "O", "B-A", "B-A", "B-B"]
    assert as_learned(["B-A", "I-A", "L-A", "U-B"], "iobes") == ["B-A", "I-A", "E-A", "S-B"]


def scored(said, true, tags):
    numbers = {tag: index for index, tag in enumerate(tags)}
    outputs = torch.nn.functional.one_hot(torch.tensor([[numbers[t] for t in row.split()] for row in said]), len(tags))
    target = torch.tensor([[numbers.get(t, -100) for t in row.split()] for row in true])
    metrics = [kind(tags, ignore_index=-100) for kind in (EntityPrecision, EntityRecall, EntityF1)]
    for metric in metrics:
        metric.update(outputs.transpose(1, 2).float(), target)
    return [round(float(metric.compute()), 4) for metric in metrics]


def test_an_entity_is_right_where_type_and_both_ends_are():
    tags = ("O", "B-MISC", "I-MISC", "B-PER", "I-PER")
    true = ["O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O O O O O"]
    said = ["O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O O B-PER O O"]
    assert scored(said, true, tags) == [0.3333, 0.5, 0.4]
    # A token that begins no word is between the words, and counts nowhere.
    assert scored(["B-PER O I-PER"], ["B-PER - I-PER"], tags) == [1, 1, 1]
    rows = of_each_type([(entities(a.split()), entities(b.split())) for a, b in zip(said, true, strict=True)])
    assert [(row["type"], row["entities"], row["found"], row["f1"]) for row in rows] == [
        ("MISC", 1, 1, 0.0),
        ("PER", 1, 2, 0.666667),
        ("all", 2, 3, 0.4),
    ]


def test_documents_comments_tabs_and_other_columns_are_read():
    text = "-DOCSTART- -X- O O\n\n# a comment of more words\nEU I-ORG NNP x\n\t\n# O NN x\nlamb\u00a0x I-MISC NN x\n\n"
    module = set_up(text, tag_column=2, scheme="iob1", val_size=0, test_size=0)
    assert module.texts["train"].words == [["EU"], ["#", "lamb\u00a0x"]]
    assert module.texts["train"].tags == [["B-ORG"], ["O", "B-MISC"]]
    tabs = set_up("New York\tB-LOC\nhas\tO\n", name="tabs.conll", val_size=0, test_size=0)
    assert tabs.texts["train"].words == [["New York", "has"]]


def test_universal_dependencies_are_read_by_their_columns():
    lines = [
        "# text = Vámonos al mar",
        *("1-2\tVámonos\t_\t_", "1\tVamos\tir\tVERB", "2\tnos\tnosotros\tPRON", "3\t#\t#\tSYM", "3.1\t_\t_\tNOUN"),
    ]
    module = set_up("\n".join(lines), name="es.conllu", val_size=0, test_size=0)
    assert module.texts["train"].words == [["Vamos", "nos", "#"]]
    assert module.data_spec().class_names == ("PRON", "SYM", "VERB")
    assert module.data_spec().facts["scheme"] == "none"


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_a_table_of_lists_is_what_the_file_of_lines_is(suffix):
    sentences = made_sentences(30)
    rows = [{"tokens": [w for w, _ in each], "ner_tags": [t for _, t in each]} for each in sentences]
    path = Path(f"names.{suffix}")
    if suffix == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif suffix == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(
                [list(rows[0]), *[[json.dumps(value) for value in row.values()] for row in rows]]
            )
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    module = registry.create_dataset("tagged_table", path=str(path))
    module.setup("fit")
    assert module.data_spec().fingerprint == set_up(written(sentences)).data_spec().fingerprint


@pytest.mark.parametrize("kind", ["word", "wordpiece", "bpe", "unigram", "character"])
def test_the_first_token_of_each_word_has_its_tag(kind):
    module = set_up(written(made_sentences(60)), tokenizer=kind, vocabulary_size=90)
    inputs, target = module.val_dataset.batch(torch.arange(4))
    for index in range(4):
        words, tags = module.texts["val"].words[index], module.texts["val"].tags[index]
        places = target[index].ne(-100).nonzero().flatten().tolist()
        assert [module.class_names[target[index, place]] for place in places] == tags
        for word, start, end in zip(words, places, [*places[1:], len(inputs[index])], strict=True):
            token = inputs[index, start:end]
            assert module.tokenizer.decode(token.tolist()).strip().replace(" ", "") == word or kind == "unigram"


@pytest.mark.parametrize("around", ["bert", "roberta"])
def test_what_a_checkpoints_tokenizer_puts_around_a_sentence_has_no_tag(around):
    kind = "wordpiece" if around == "bert" else "bpe"
    backend = Backend.from_str(Tokenizer.train(kind, ["Ada visited Rome a b"], vocabulary_size=300).written)
    backend.add_special_tokens(["[CLS]", "[SEP]"])
    ends = [(name, backend.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    backend.post_processor = (processors.BertProcessing if around == "bert" else processors.RobertaProcessing)(*ends)
    tokenizer = Tokenizer(backend.to_str(), "x")
    words = ["Ada", "a", "b", "Rome"]
    whole = encode_words(tokenizer, [words], max_length=None)
    begun = whole.of(0)
    assert begun[0] == begun[-1] == -1
    places = [*(begun >= 0).nonzero()[0], len(begun) - 1]
    tokens = [whole.encoded.ids[start:end].tolist() for start, end in itertools.pairwise(places)]
    assert [tokenizer.decode(each).strip() for each in tokens] == words
    cut = encode_words(tokenizer, [["Ada"] * 9], max_length=5)
    assert (cut.encoded.cut, len(cut.of(0))) == (1, 5)
    assert cut.left_out == 9 - (cut.of(0) >= 0).sum()


def test_marks_of_the_manual_become_tags():
    words, tags = tagged('The "len(s)" function, or *key* if it is "None".')
    assert marked_text(words, tags) == "The [code len(s)] function , or [emphasis key] if it is [code None] ."


GOOD = written(made_sentences(30))


def with_line(line: str, number: int = 3) -> str:
    lines = GOOD.splitlines()
    lines[number - 1] = line
    return "\n".join(lines)


BAD = {
    "a line of more columns": (with_line("a b c d"), {}, ["names.conll, line 3 has 4 columns, and line 1 has 3."]),
    "a line of a word alone": (with_line("a"), {}, ["line 3 has 1 columns", "sed -n 3p names.conll"]),
    "a tag of no scheme": (with_line("a X PER"), {}, ["line 3 has the tag 'PER', which BIO has not.", "scheme=none"]),
    "a tag of another scheme": (GOOD, {"scheme": "iobes", "tag_column": 2}, ["has the tag 'X', which IOBES has not."]),
    "a tag that cannot stand there": (
        with_line("a X I-LOC"),
        {"scheme": "bio"},
        ["line 3 has the tag 'I-LOC', which BIO does not have there.", "leave dataset.scheme out"],
    ),
    "a column that is not there": (GOOD, {"tag_column": 4}, ["has 3 columns, and column 4 was to be the tag."]),
    "words as tags": (GOOD, {"word_column": 3}, ["words and tags would be the same one"]),
    "an empty file": ("", {}, ["names.conll has no sentences."]),
    "documents alone": ("-DOCSTART- -X- O\n\n", {}, ["names.conll has no sentences."]),
    "one tag": ("a O\nb O\n", {}, ["Every word has the tag 'O': there is nothing to tell apart."]),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_the_line_and_a_way_out(what):
    text, given, said = BAD[what]
    with pytest.raises(DataError) as refused:
        set_up(text, **given)
    for part in said:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "names.jsonl, line 2 has 2 words and 1 tags."),
        ({"tokens": [["a"]], "tags": ["O"]}, "names.jsonl, line 2 has no list of words"),
        ({"tokens": 3, "tags": ["O"]}, "names.jsonl, line 2 has no list of words: '3'"),
    ],
)
def test_a_bad_row_of_a_table_is_named(row, said):
    good = {"tokens": ["Ada"], "tags": ["B-PER"]}
    with pytest.raises(DataError) as refused:
        set_up("".join(json.dumps(each) + "\n" for each in (good, row)), name="names.jsonl", kind="tagged_table")
    assert said in str(refused.value)


def test_a_tag_that_training_has_not_is_refused_or_its_sentence_left_out(caplog):
    Path("test.conll").write_text("Lima X B-CITY\n\nOslo X I-LOC\n")
    with pytest.raises(DataError) as refused:
        set_up(GOOD, test_path="test.conll")
    assert "1 sentences of test have tags that training has not: 'B-CITY'. The first is test.conll, line 1." in str(
        refused.value
    )
    module = set_up(GOOD, test_path="test.conll", unknown_tags="skip")
    assert module.data_spec().split_sizes["test"] == 1
    assert "as in conlleval it begins an entity" in caplog.text


@pytest.mark.drawn
def test_entities_are_learned_measured_and_found_in_new_sentences(train, fw, sliced):
    Path("names.conll").write_text(written(made_sentences(120)))
    sizes = ("model.width=16", "model.hidden=16")
    learns = ("trainer.limit_train_batches=null", "trainer.max_epochs=6", "optimizer.lr=0.02")
    done = train("--model", "text_lstm", *sizes, *WHERE, *learns, "experiment.run_name=who", "mlops.report=true")
    assert done.code == 0, done.err
    assert {f"test/{name}" for name in ("precision", "recall", "f1", "accuracy", "loss")} <= set(done.json["metrics"])
    assert done.json["metrics"]["test/f1"] > 0.95
    rows = list(csv.DictReader(Path("runs/who/tables/per_type.csv").read_text("utf-8").splitlines()))
    assert [row["type"] for row in rows] == ["LOC", "PER", "all"]
    assert float(rows[-1]["f1"]) == pytest.approx(done.json["metrics"]["test/f1"], abs=1e-4)
    columns = sliced("who", done.json["metrics"], "f1", "accuracy")
    assert columns["type"] == {"LOC", "PER"}
    assert {"words", "position"} <= set(columns)
    kept = json.loads(Path("runs/who/tested_samples.json").read_text())["predictions"]
    assert {"tags O", "tags B-PER"} <= set(kept)
    assert all(0 <= share <= 1 for share in kept["tags O"])
    Path("new.txt").write_text("Grace Hopper visited  Oslo soon\n\nAda visited them\n")
    assert fw("predict", "who", "new.txt", "-o", "new.json").code == 0
    found = json.loads(Path("new.json").read_text())
    assert [row["line"] for row in found] == [1, 3]
    assert found[0]["marked"] == "[PER Grace Hopper] visited [LOC Oslo] soon"
    assert [each["text"] for each in found[0]["entities"]] == ["Grace Hopper", "Oslo"]
    Path("new.conll").write_text("Ada\nvisited\nLima\n")
    assert "[PER Ada] visited [LOC Lima]" in fw("predict", "who", "new.conll").out
    # Other sentences, whose words would have other numbers by a tokenizer of their own.
    Path("names.conll").write_text(written(made_sentences(120, seed=4)))
    measured = fw("evaluate", "who", "--json")
    assert measured.json["test/f1"] > 0.95, measured.err


@pytest.mark.drawn
def test_the_worst_mistakes_are_told_and_long_sentences_are_cut_and_told(train):
    Path("names.conll").write_text(written(made_sentences(60)))
    tiny = ("model.width=16", "model.depth=1", "model.heads=2", "model.positions=6")
    done = train("--model", "small_bert", *tiny, *WHERE, "experiment.run_name=who", "mlops.report=true")
    assert done.code == 0, done.err
    assert "words have no token and count nowhere" in done.err
    rows = list(csv.DictReader(Path("runs/who/tables/worst_mistakes.csv").read_text("utf-8").splitlines()))
    assert [float(row["loss"]) for row in rows] == sorted((float(row["loss"]) for row in rows), reverse=True)
    assert all(row["text"] != row["predicted"] for row in rows)


@pytest.mark.drawn
def test_a_network_of_transformers_is_trained_and_parts_of_speech_are_told(train, fw):
    Path("names.conll").write_text(written(made_sentences(60)).replace("B-PER", "NAME").replace("I-PER", "NAME"))
    Path("names.conll").write_text(Path("names.conll").read_text().replace("B-LOC", "PLACE"))
    sizes = {"width": 16, "depth": 1, "heads": 2, "feed_forward": 16, "positions": 32}
    tiny = tuple(f"model.{name}={value}" for name, value in sizes.items())
    done = train("--model", "transformer_tagger", *tiny, *WHERE, "experiment.run_name=pos")
    assert done.code == 0, done.err
    assert {"test/accuracy", "test/f1_macro"} <= set(done.json["metrics"])
    Path("new.txt").write_text("Ada visited them\n")
    found = fw("predict", "pos", "new.txt", "--json").json
    assert found[0]["marked"].startswith("Ada/")
    assert len(found[0]["tags"]) == 3


def test_a_model_of_another_task_is_refused_with_what_to_type(train):
    Path("names.conll").write_text(GOOD)
    refused = train("--model", "text_cnn", *WHERE)
    assert refused.code == 2
    assert "the data is for token-classification, the model learns text-classification" in refused.err
    assert "fw list models --task token-classification" in refused.err
