"""Questions whose answers stand in a text: files, windows, answers over windows, scores, and what is refused."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import processors

from framework_core import registry
from framework_core.errors import DataError
from framework_plugins_nlp.answers import exact, f1, normalised
from framework_plugins_nlp.question_answers import answers_of
from framework_plugins_nlp.question_windows import Question, windows_of
from framework_plugins_nlp.tokenization import Tokenizer

SMALL = {"width": 16, "depth": 1, "heads": 2, "feed_forward": 16, "positions": 64}
TINY = tuple(f"model.{name}={value}" for name, value in SMALL.items())
CONTEXT = "The red cup is in the old kitchen. The blue key is near the café."


def squad(*qas: tuple[str, str, list[tuple[str, int]]], context: str = CONTEXT) -> str:
    asked = [
        {
            "id": name,
            "question": question,
            "answers": [{"text": text, "answer_start": start} for text, start in answers],
            "is_impossible": not answers,
        }
        for name, question, answers in qas
    ]
    return json.dumps({"version": "v2.0", "data": [{"title": "x", "paragraphs": [{"context": context, "qas": asked}]}]})


GOOD = squad(
    ("a", "Where is the cup?", [("in the old kitchen", 15), ("the old kitchen", 18)]),
    ("b", "Where is the key?", [("near the café", 51)]),
    ("c", "Where is the box?", []),
)


def set_up(text: str = GOOD, name: str = "asked.json", **given):
    Path(name).write_text(text, encoding="utf-8")
    settings = {"batch_size": 8, "val_size": 0, "test_size": 0, "max_length": 64, **given}
    module = registry.create_dataset("questions", path=name, **settings)
    module.setup("fit")
    return module


@pytest.mark.parametrize(
    ("said", "wanted", "match", "score"),
    [
        ("The Eiffel-Tower!", ["eiffeltower"], 1, 1),
        ("in the old kitchen", ["the old kitchen", "attic"], 0, 0.8),
        ("a b b", ["b b c"], 0, 0.8),
        ("", [], 1, 1),
        ("attic", [], 0, 0),
        ("", ["attic"], 0, 0),
    ],
)
def test_answers_are_compared_as_squad_does(said, wanted, match, score):
    assert exact(said, wanted) == match
    assert f1(said, wanted) == pytest.approx(score)


def test_articles_inside_a_word_stay():
    assert normalised("An  anthem, the theatre.") == "anthem theatre"


def test_squad_and_a_table_give_the_same_questions():
    module = set_up()
    rows = [
        ("Where is the cup?", CONTEXT, "in the old kitchen", 15),
        ("Where is the key?", CONTEXT, "near the café", 51),
        ("Where is the box?", CONTEXT, "", ""),
    ]
    with Path("asked.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("question", "context", "answer", "answer_start"), *rows])
    table = registry.create_dataset("questions", path="asked.csv", val_size=0, test_size=0, max_length=64)
    table.setup("fit")
    assert table.data_spec().fingerprint == module.data_spec().fingerprint
    assert module.data_spec().facts["may_be_none"] is True
    lines = [
        json.dumps(
            {"question": q, "context": c, "answers": {"text": [a] if a else [], "answer_start": [s] if a else []}}
        )
        for q, c, a, s in rows
    ]
    listed = set_up("\n".join(lines), name="asked.jsonl")
    assert listed.data_spec().fingerprint == module.data_spec().fingerprint


def test_without_places_the_first_is_taken_and_told(caplog):
    text = "question,context,answer\nWhere?,a cup in a cup,cup\n"
    module = set_up(text, name="asked.csv")
    assert module.questions["train"][0].starts == (2,)
    assert "1 answers stand in their contexts more than once; the first place is taken" in caplog.text


def test_long_contexts_become_windows_that_share_tokens_and_every_answer_is_in_one():
    words = [f"w{number}" for number in range(120)]
    context = " ".join(words)
    questions = [
        Question(str(n), "which one?", context, (word,), (context.index(word + " "),))
        for n, word in enumerate(words[:119])
    ]
    tokenizer = Tokenizer.train("word", [context, "which one?"], paired=True)
    found = windows_of(tokenizer, questions[:3], max_length=40, stride=10).windows
    of_first = [each for each in found if each.question == 0]
    inside = [context[each.offsets[each.offsets[:, 0] >= 0][0, 0] : each.offsets.max()].split() for each in of_first]
    assert all(len(each.ids) <= 40 for each in of_first)
    assert all(one[-10:] == other[:10] for one, other in itertools.pairwise(inside))
    assert inside[0][0] == "w0"
    assert inside[-1][-1] == "w119"
    for number, windows in enumerate(
        [windows_of(tokenizer, [each], max_length=40, stride=10).windows for each in questions]
    ):
        answered = [each for each in windows if each.start]
        assert answered, number
        for each in answered:
            assert context[each.offsets[each.start, 0] : each.offsets[each.end, 1]] == words[number]


@pytest.mark.parametrize("around", ["bert", "roberta"])
def test_windows_are_those_that_transformers_makes(around):
    from transformers import PreTrainedTokenizerFast

    words = " ".join(f"w{number}" for number in range(50))
    tokenizer = Tokenizer.train("bpe", [words, "which one is it?"], vocabulary_size=300)
    backend = Backend.from_str(tokenizer.written)
    first, last = ("[CLS]", "[SEP]") if around == "bert" else ("<s>", "</s>")
    backend.add_special_tokens([first, last])
    ends = [(each, backend.token_to_id(each)) for each in (last, first)]
    kind = processors.BertProcessing if around == "bert" else processors.RobertaProcessing
    backend.post_processor = kind(*ends)
    ours = windows_of(
        Tokenizer(backend.to_str(), "x"), [Question("0", "which one is it?", words)], max_length=60, stride=12
    ).windows
    theirs = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]")(
        "which one is it?",
        words,
        truncation="only_second",
        max_length=60,
        stride=12,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    assert len(ours) > 2
    assert [each.ids.tolist() for each in ours] == theirs["input_ids"]
    assert [each.types.tolist() for each in ours] == theirs["token_type_ids"]
    for number, (each, offsets) in enumerate(zip(ours, theirs["offset_mapping"], strict=True)):
        inside = [place for place, sequence in enumerate(theirs.sequence_ids(number)) if sequence == 1]
        # The first token of a window may or may not begin with the blank before its word.
        said = [slice(*each.offsets[place].tolist()) for place in inside]
        assert [words[one].strip() for one in said] == [words[slice(*offsets[place])].strip() for place in inside]
        assert (each.offsets[:, 0] >= 0).sum() == len(inside)


def test_the_likeliest_answer_is_taken_over_all_windows():
    tokenizer = Tokenizer.train("word", ["one two three four five six seven what?"], paired=True)
    asked = Question("0", "what?", "one two three four five six seven")
    windows = windows_of(tokenizer, [asked], max_length=9, stride=1).windows
    assert len(windows) > 1
    logits = [torch.zeros(2, len(each.ids) + 2) for each in windows]  # filled up
    last = windows[-1]
    places = {asked.context[start:end]: index for index, (start, end) in enumerate(last.offsets.tolist()) if start >= 0}
    logits[-1][0, places["six"]], logits[-1][1, places["seven"]] = 9.0, 9.0
    # An end before its beginning, and a place in the question, are no answers.
    logits[-1][1, places["six"] - 1], logits[0][:, 1] = 12.0, 50.0
    (answer,) = answers_of([asked], windows, logits, may_be_none=True)
    assert (answer.text, answer.start) == ("six seven", asked.context.index("six"))
    assert 0.9 < answer.score <= 1
    for each in logits:
        each[:, 0] = 20.0
    assert answers_of([asked], windows, logits, may_be_none=True)[0].text == ""
    assert answers_of([asked], windows, logits, may_be_none=False)[0].text == "six seven"


def test_questions_about_one_context_are_in_one_split():
    made = [(f"{n}", "Where?", [("cup", 4)]) for n in range(4)]
    data = [json.loads(squad(*made, context=f"The cup is in room {n}."))["data"][0] for n in range(20)]
    module = set_up(json.dumps({"data": data}), val_size=0.2, test_size=0.2)
    contexts = [{each.context for each in questions} for questions in module.questions.values()]
    assert [len(each) for each in contexts] == [12, 4, 4]
    assert not contexts[0] & contexts[1]


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("small_bert_qa", None),
        ("transformer_qa", "bert"),
        ("transformer_qa", "distilbert"),
        pytest.param("transformer_qa", "roberta", marks=pytest.mark.thorough),
        pytest.param("transformer_qa", "deberta-v2", marks=pytest.mark.thorough),
        pytest.param("transformer_qa", "xlnet", marks=pytest.mark.thorough),
    ],
)
def test_each_model_learns_and_what_fills_up_changes_no_answer(name, architecture):
    module = registry.create_dataset("lost_things", count=40, max_length=64, batch_size=8)
    module.setup("fit")
    torch.manual_seed(0)
    sizes = SMALL if architecture is None else {**SMALL, "architecture": architecture}
    model = registry.create_model(name, data=module.data_spec(), **sizes)
    inputs, target = module.train_dataset.batch(torch.arange(8))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(25):
        optimizer.zero_grad()
        loss = model.training_step((inputs, target), step)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    model.eval()
    tokens, kinds = inputs[:, 0], inputs[:, 1]
    wider = [torch.nn.functional.pad(tokens, (0, 5), value=model.pad_id), torch.nn.functional.pad(kinds, (0, 5))]
    length = inputs.shape[2]
    answers, wide = model(inputs), model(torch.stack(wider, dim=1))[:, :, :length]
    kept = tokens.ne(model.pad_id)[:, None].expand_as(answers)
    torch.testing.assert_close(answers[kept], wide[kept], rtol=1e-3, atol=1e-4)


@pytest.mark.drawn
def test_answers_are_measured_and_found_by_the_command(train, fw, sliced):
    sizes = ("model.width=32", "model.depth=1", "model.positions=64", "dataset.count=60", "dataset.batch_size=8")
    done = train("--model", "small_bert_qa", *sizes, "experiment.run_name=where", "mlops.report=true")
    assert done.code == 0, done.err
    assert {f"{s}/{n}" for s in ("val", "test") for n in ("exact_match", "f1", "loss")} <= set(done.json["metrics"])
    rows = list(csv.DictReader(Path("runs/where/tables/worst_mistakes.csv").read_text("utf-8").splitlines()))
    assert all(row["answer"] == "" or row["answer"] != row["wanted"] for row in rows)
    assert [float(row["f1"]) for row in rows] == sorted(float(row["f1"]) for row in rows)
    assert "characters of the question" in sliced("where", done.json["metrics"], "f1", "exact_match")
    context = "The red cup is in the old attic. " * 10
    with Path("new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("question", "context"), ("Where is the red cup?", context)])
    assert fw("predict", "where", "new.csv", "-o", "said.json").code == 0
    (found,) = json.loads(Path("said.json").read_text())
    assert context[found["start"] :].startswith(found["answer"]) or found["start"] == -1
    assert 0 < found["score"] <= 1
    Path("new.txt").write_text("Where?")
    refused = fw("predict", "where", "new.txt")
    assert refused.code != 0
    assert "a table has the columns question and context" in refused.err


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize(
    "words",
    [
        ("small_bert_qa", "dataset.count=60", "model.drop_rate=0"),
        ("transformer_seq2seq", "dataset.count=60", "model.feed_forward=32", "model.sizes={dropout_rate: 0.0}"),
        ("text_lstm", "dataset=manual_markup", "model.drop_rate=0"),
    ],
    ids=lambda words: words[0],
)
def test_two_processes_measure_what_one_measures(words, project):
    sizes = () if words[0] == "text_lstm" else ("model.width=32", "model.depth=1", "model.positions=64")
    command = [sys.executable, "-m", "framework_core", "train", "--model", *words, *sizes, "dataset.batch_size=8"]
    quick = ["trainer.accelerator=cpu", "mlops.tracking.backend=none", "mlops.report=false", "preflight=false"]
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "distributed.enabled=true", "--json"]
    found = []
    for devices in (1, 2):
        line = [*command, *quick, *short, f"distributed.devices={devices}"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["metrics"])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert {"test/exact_match", "test/f1", "test/bleu"} & set(found[0])


@pytest.mark.drawn
def test_answers_of_several_processes_can_be_rehearsed(fw):
    words = ("--model", "small_bert_qa", "dataset.count=60", "model.width=32", "model.depth=1", "dataset.batch_size=9")
    done = fw("launch", "--dry-run", "--ranks", "3", "--", *words)
    assert done.code == 0, done.err


BAD = {
    "an answer at another place": (
        squad(("q7", "Where?", [("near the café", 50)])),
        {},
        ["asked.json, question q7: the answer 'near the café' does not stand in its context at 50", "It stands at 51"],
    ),
    "an answer that stands nowhere": (
        squad(("q7", "Where?", [("in the hall", 3)])),
        {},
        ["It stands nowhere in it", "dataset.bad_answers=skip"],
    ),
    "an empty file": ("", {}, ["asked.json is no JSON"]),
    "JSON of another form": ('[{"question": "a"}]', {}, ["asked.json is not in the form of SQuAD", "paragraphs"]),
    "a question without an id": (
        GOOD.replace('"id": "b", ', ""),
        {},
        ["asked.json is not in the form of SQuAD, question None: KeyError: 'id'."],
    ),
    "no questions": ('{"data": []}', {}, ["asked.json has no questions."]),
    "an empty question": (squad(("a", " ", [])), {}, ["asked.json, question a has no question: the text is empty."]),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_questions_are_refused_by_their_id(what):
    text, given, said = BAD[what]
    with pytest.raises(DataError) as refused:
        set_up(text, **given)
    for part in said:
        assert part in str(refused.value)


def test_a_bad_row_of_a_table_is_named_or_left_out(caplog):
    text = "question,context,answer,answer_start\nWhere?,a cup,cup,2\nWhere?,a cup,hall,2\n"
    with pytest.raises(DataError, match=r"asked\.csv, line 3: the answer 'hall' does not stand"):
        set_up(text, name="asked.csv")
    module = set_up(text, name="asked.csv", bad_answers="skip")
    assert len(module.questions["train"]) == 1
    assert "1 answers do not stand in their contexts; left out" in caplog.text
    with pytest.raises(DataError, match=r"line 2: the answer begins at 'x', which is no number"):
        set_up(text.replace("cup,2", "cup,x", 1), name="asked.csv")
    with pytest.raises(DataError, match="has no column 'answer'"):
        set_up("question,context\nWhere?,a cup\n", name="asked.csv")


def test_a_window_too_short_for_a_context_is_refused():
    module = set_up()
    with pytest.raises(DataError, match="A window of 4 tokens has no room"):
        windows_of(module.tokenizer, module.questions["train"], max_length=4, stride=0)
