"""One text made of another: pairs, what is learned and generated, scores, and what is refused."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch

from framework_core import registry
from framework_core.errors import ConfigError, DataError
from framework_plugins_nlp.datasets.spoken_numbers import in_words
from framework_plugins_nlp.text_scores import scores
from framework_plugins_nlp.tokenization import Tokenizer

SMALL = {"width": 16, "depth": 1, "heads": 2, "feed_forward": 16, "positions": 64}
TINY = tuple(f"model.{name}={value}" for name, value in SMALL.items())
MORE = ("marian", "prophetnet", "longt5", "m2m_100", "pegasus")
"""Architectures beside the two that every test run takes."""


def pairs(count: int) -> str:
    return "source,target\n" + "".join(f"{in_words(7 * n)},{7 * n}\n" for n in range(count))


def set_up(text: str | None = None, name: str = "pairs.csv", **given):
    Path(name).write_text(pairs(40) if text is None else text, encoding="utf-8")
    module = registry.create_dataset("text_pairs", path=name, **{"batch_size": 8, **given})
    module.setup("fit")
    return module


def test_numbers_are_spoken_as_people_do():
    said = [in_words(number) for number in (0, 13, 40, 99, 100, 1_012, 20_300, 999_999)]
    assert said[:4] == ["zero", "thirteen", "forty", "ninety-nine"]
    assert said[4:6] == ["one hundred", "one thousand and twelve"]
    assert said[6] == "twenty thousand three hundred"
    assert said[7] == "nine hundred and ninety-nine thousand nine hundred and ninety-nine"


@pytest.mark.parametrize("tokenizer", ["bpe", "character", "word", "wordpiece", "unigram"])
def test_a_batch_has_sources_and_targets_that_end(tokenizer):
    module = set_up(tokenizer=tokenizer, vocabulary_size=120)
    inputs, target = module.val_dataset.batch(torch.arange(4))
    kept = module.pairs["val"]
    end = module.data_spec().facts["end_id"]
    for row, wanted, source, text in zip(inputs, target, kept.sources, kept.targets, strict=False):
        ids = wanted[wanted >= 0]
        assert int(ids[-1]) == end
        assert torch.equal(row[1][: len(ids)], ids)
        if tokenizer in ("bpe", "character"):
            assert module.tokenizer.written_text(ids.tolist()) == text
            assert module.tokenizer.written_text(row[0].tolist()) == source


@pytest.mark.parametrize("architecture", ["bart", "t5", *(pytest.param(n, marks=pytest.mark.thorough) for n in MORE)])
def test_an_architecture_learns_pairs_and_no_place_sees_what_follows(architecture):
    module = set_up(max_length=48, max_target_length=16)
    torch.manual_seed(0)
    model = registry.create_model(
        "transformer_seq2seq", data=module.data_spec(), architecture=architecture, max_new_tokens=5, **SMALL
    )
    assert sum(each.numel() for each in model.parameters()) < 20_000
    inputs, target = module.train_dataset.batch(torch.arange(8))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(15):
        optimizer.zero_grad()
        loss = model.training_step((inputs, target), step)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    model.eval()
    changed = inputs.clone()
    changed[:, 1, 1:] = inputs[:, 1, 1:].where(inputs[:, 1, 1:] == model.pad_id, 3)
    torch.testing.assert_close(model(inputs)[:, :2], model(changed)[:, :2], rtol=1e-3, atol=1e-4)
    # What fills a batch up changes no answer.
    wider = torch.nn.functional.pad(inputs, (0, 5), value=model.pad_id)
    whole = model(wider)
    torch.testing.assert_close(model(inputs), whole[:, :-5], rtol=1e-3, atol=1e-4)
    short = model.outputs_of(wider)
    assert short.shape[1] == int(inputs[:, 1].ne(model.pad_id).sum(dim=1).max())
    torch.testing.assert_close(short, whole[:, : short.shape[1]], rtol=1e-3, atol=1e-4)
    made = model.predict_step(inputs[:, 0], 0)["generated"]
    assert len(made) == 8


def test_the_likeliest_text_is_made_token_by_token():
    module = set_up()
    torch.manual_seed(1)
    model = registry.create_model(
        "transformer_seq2seq", data=module.data_spec(), max_new_tokens=500, architecture="bart", **SMALL
    ).eval()
    source = module.val_dataset.batch(torch.arange(1))[0][:, 0]
    # No more than there are positions for.
    assert model.generate(source).shape[1] <= 2 + 64 + 1
    model.max_new_tokens = 6
    made = model.generate(source)[0, 1:].tolist()
    seen: list[int] = []
    for token in made:
        width = max(source.shape[1], len(seen) + 1)
        rows = [source[0].tolist(), [*seen, 3]]
        both = torch.tensor([[row + [model.pad_id] * (width - len(row)) for row in rows]])
        assert int(model(both)[0, len(seen)].argmax()) == token
        seen.append(token)


def test_scores_are_those_of_sacrebleu_and_of_rouge_score():
    found = scores(["A cat sat, on the red mat!", "dogs ran"], ["The cat sat on the mat.", "dogs ran fast"])
    assert found["bleu"] == pytest.approx(15.8512, abs=1e-4)
    assert found["chrf"] == pytest.approx(46.4604, abs=1e-4)
    # By rouge-score 0.1.2: 0.769231 and 0.8, 0.545455 and 0.666667.
    assert found["rouge1"] == pytest.approx((0.769231 + 0.8) / 2, abs=1e-5)
    assert found["rouge2"] == pytest.approx((0.545455 + 0.666667) / 2, abs=1e-5)
    assert found["exact_match"] == 0
    assert scores(["кот спит"], ["кот спит"])["rouge1"] == pytest.approx(1)


@pytest.mark.drawn
def test_pairs_are_learned_measured_and_made_by_the_command(train, fw, sliced):
    Path("pairs.tsv").write_text(pairs(40).replace(",", "\t"))
    where = ("--dataset", "text_pairs", "dataset.path=pairs.tsv", "dataset.batch_size=8", "model.max_new_tokens=8")
    done = train("--model", "transformer_seq2seq", *TINY, *where, "experiment.run_name=say", "mlops.report=true")
    assert done.code == 0, done.err
    wanted = {"bleu", "chrf", "rouge1", "rouge2", "rougel", "exact_match", "loss", "perplexity"}
    assert {f"test/{name}" for name in wanted} <= set(done.json["metrics"])
    rows = list(csv.DictReader(Path("runs/say/tables/samples.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 8
    assert all(row["source"] == in_words(int(row["target"])) for row in rows)
    sliced("say", done.json["metrics"], "rougel", "exact_match")
    by_loss = fw("slices", "say", "--metric", "loss", "--json").json["whole"]["mean"]
    assert math.exp(by_loss) == pytest.approx(done.json["metrics"]["test/perplexity"], rel=1e-3)
    kept = json.loads(Path("runs/say/tested_samples.json").read_text())["predictions"]
    assert len(kept["generated length"]) == 8
    Path("new.txt").write_text("one hundred\n\nseven\n")
    assert fw("predict", "say", "new.txt", "-o", "made.json").code == 0
    found = json.loads(Path("made.json").read_text())
    assert [(row["line"], row["text"]) for row in found] == [(1, "one hundred"), (3, "seven")]
    assert all(isinstance(row["generated"], str) for row in found)
    Path("many.txt").write_text("seven\n" * 40)
    moved = fw("drift", "say", "many.txt", "--json")
    assert {"generated length: 8 values of the test, 40 now"} <= {*moved.json["not_compared"]}, moved.err
    assert any("another form than the samples of its test" in each for each in moved.json["not_compared"])
    Path("new.csv").write_text("source\nseven\n")
    again = fw("predict", "say", "new.csv", "--json").json
    assert again[0]["generated"] == found[1]["generated"]


def test_a_checkpoint_brings_its_tokenizer_and_its_weights(project):
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = Tokenizer.train("unigram", pairs(40).splitlines(), vocabulary_size=80, ended=True)
    Path("t5").mkdir()
    tokenizer.backend.save("t5/tokenizer.json")
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
    network = T5ForConditionalGeneration(
        T5Config(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=tokenizer.end_id, **sizes)
    )
    network.save_pretrained("t5")
    module = set_up(tokenizer="t5")
    model = registry.create_model("transformer_seq2seq", data=module.data_spec(), checkpoint="t5").eval()
    assert torch.equal(model.model.network.shared.weight, network.shared.weight)
    inputs, target = module.val_dataset.batch(torch.arange(4))
    labels = torch.nn.functional.pad(target, (0, 1), value=-100)
    mask = inputs[:, 0].ne(0).long()
    expected = network.eval()(input_ids=inputs[:, 0], attention_mask=mask, labels=labels).loss
    found = model.loss(model(inputs), target)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)


BAD = {
    "an empty source": ("source,target\na,b\n ,c\n", {}, ["pairs.csv, line 3 has no source: the text is empty."]),
    "an empty target": ("source,target\na,\nb,\n", {}, ["line 2 has no target", "It concerns 2 of 2 pairs of train."]),
    "only a header": ("source,target\n", {}, ["pairs.csv has no rows."]),
    "an empty file": ("", {}, ["pairs.csv is empty."]),
    "no column of targets": (
        "source,label\na,b\n",
        {},
        ["Which column of pairs.csv has the targets?", "target_column"],
    ),
    "a renamed column": (
        pairs(4),
        {"source_column": "sourc"},
        ["has no column 'sourc'", "Near it: source.", "dataset.source_column=source"],
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_table_is_refused_with_the_place_and_a_way_out(what):
    text, given, said = BAD[what]
    with pytest.raises(DataError) as refused:
        set_up(text, **given)
    for part in said:
        assert part in str(refused.value)


def test_a_tokenizer_that_ends_no_text_is_refused():
    Tokenizer.train("word", pairs(10).splitlines()).backend.save("tokenizer.json")
    with pytest.raises(DataError, match="puts nothing at the end of a text") as refused:
        set_up(tokenizer="tokenizer.json")
    assert "dataset.tokenizer=bpe" in str(refused.value)


def test_an_architecture_of_several_networks_is_refused_in_words():
    with pytest.raises(ConfigError, match="made of several networks"):
        registry.create_model("transformer_seq2seq", data=set_up().data_spec(), architecture="encoder-decoder")
