"""Tokens that are masked: which ones, what is learned from them, and what it is good for."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from made_texts import made_texts

from framework_core import registry
from framework_core.errors import ContractError, DataError
from framework_plugins_nlp.masked_language_model import MaskedLanguageModel
from framework_plugins_nlp.masked_texts import IGNORED
from framework_plugins_nlp.pretrained_runs import loaded

SIZES = ("model.width=16", "model.depth=1", "model.heads=2")
LINES = ("--dataset", "text_files", "dataset.path=lines.txt", "dataset.documents=line", "dataset.block_size=32")
OWN = ("--dataset", "text_table", "dataset.path=texts.csv", "dataset.batch_size=8")


@pytest.fixture(autouse=True)
def lines(project) -> None:
    Path("lines.txt").write_text("".join(f"{text}\n" for text, _ in made_texts(240)))


def set_up(**given):
    settings = {"tokenizer": "wordpiece", "task": "fill-mask", "documents": "line", "block_size": 32, **given}
    module = registry.create_dataset("text_files", path="lines.txt", **settings)
    module.setup("fit")
    return module


@pytest.fixture
def pretrained(train) -> Path:
    """A run of a model that learned masked tokens for a few steps."""

    def make(name: str, *words: str) -> Path:
        done = train("--model", name, *SIZES, *LINES, *words, "dataset.batch_size=64", "experiment.run_name=words")
        assert done.code == 0, done.err
        return Path("runs/words")

    return make


def test_of_the_tokens_asked_for_eight_in_ten_are_masked_and_one_is_another():
    module = set_up()
    inputs, target = module.train_dataset.batch(torch.arange(200))
    asked = target.ne(IGNORED)
    text = ~torch.isin(torch.where(asked, target, inputs), torch.tensor([0, 2, 3]))  # [PAD], [CLS], [SEP]
    assert bool(text[asked].all())
    assert float(asked.sum() / text.sum()) == pytest.approx(0.15, abs=0.03)
    masked = inputs[asked].eq(module.tokenizer.mask_id)
    same = inputs[asked].eq(target[asked])
    assert float(masked.float().mean()) == pytest.approx(0.8, abs=0.1)
    assert 0 < float(same.float().mean()) < 0.25
    assert bool((~masked & ~same).any())


def test_training_masks_others_each_time_and_validation_the_same_whatever_the_batch():
    module = set_up()
    first, again = (module.train_dataset.batch(torch.arange(20))[0] for _ in range(2))
    assert not torch.equal(first, again)
    val = module.val_dataset
    whole = val.batch(torch.arange(len(val)))
    for index in (0, 5, len(val) - 1):
        alone = val.batch(torch.tensor([index]))
        length = alone[0].shape[1]
        for part, one in zip(whole, alone, strict=True):
            assert torch.equal(part[index, :length], one[0])
    assert all(
        torch.equal(a, b)
        for a, b in zip(set_up().val_dataset.batch(torch.arange(9)), val.batch(torch.arange(9)), strict=True)
    )


def test_no_text_spans_two_documents_and_ends_are_in_place():
    module = set_up(block_size=8)
    before, behind = module.tokenizer.around()
    lines = [line for text, _ in made_texts(240) for line in [text]]
    dataset = module.train_dataset
    assert int(dataset.lengths.max()) == 8
    for index in range(20):
        row = dataset.ids[dataset.offsets[index] : dataset.offsets[index + 1]].tolist()
        assert (row[:1], row[-1:]) == (before, behind)
        assert any(module.tokenizer.decode(row[1:-1]) in line for line in lines)


@pytest.mark.parametrize("name", ["small_bert_mlm", "transformer_mlm"])
def test_each_model_learns_and_fills_up_without_an_effect(name):
    module = set_up()
    torch.manual_seed(0)
    model = registry.create_model(
        name, data=module.data_spec(), width=16, depth=1, heads=2, feed_forward=32, positions=32
    )
    batch = module.val_dataset.batch(torch.arange(24))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    first = None
    for step in range(25):
        optimizer.zero_grad()
        loss = model.training_step(batch, step)
        loss.backward()
        optimizer.step()
        first = first or float(loss.detach())
    assert first == pytest.approx(math.log(model.vocabulary_size), rel=0.25)
    assert float(loss.detach()) < 0.7 * first
    model.eval()
    wider = torch.nn.functional.pad(batch[0], (0, 3), value=model.pad_id)
    torch.testing.assert_close(model(batch[0]), model(wider)[:, :-3], rtol=1e-3, atol=1e-4)


def test_pseudo_perplexity_masks_each_token_alone(monkeypatch):
    class Certain(MaskedLanguageModel):
        """Knows the token in the middle of three, and nothing of others."""

        def _build_model(self):
            return torch.nn.Identity()

        def forward(self, tokens):
            self.seen.append(tokens)
            return torch.zeros(*tokens.shape, self.vocabulary_size)

    module = set_up()
    model = Certain(data=module.data_spec())
    model.seen = []
    row = module.val_dataset.ids[: module.val_dataset.offsets[1]]
    model._mask_each(row)
    seen = torch.cat(model.seen)
    assert len(seen) == len(row) - 2
    assert bool(seen.eq(model.mask_id).sum(dim=1).eq(1).all())
    assert math.exp(model._surprise / model._counted) == pytest.approx(model.vocabulary_size, rel=1e-4)


@pytest.mark.drawn
def test_the_command_fills_masks_in_and_a_classifier_begins_with_what_was_learned(train, pretrained, table, fw, sliced):
    folder = pretrained("small_bert_mlm", "dataset.test_size=0.1", "mlops.report=true")
    assert "tokens" in sliced("words", fw("evaluate", "words", "--json").json, "loss", "accuracy")
    Path("new.txt").write_text("the star [MASK] near the [MASK]\nsoup and [MASK]\n")
    done = fw("predict", "words", "new.txt", "-o", "filled.csv")
    assert done.code == 0, done.err
    rows = list(csv.DictReader(Path("filled.csv").read_text("utf-8").splitlines()))
    assert [row["line"] for row in rows] == ["1", "2"]
    assert rows[0]["filled"].startswith("the star ")
    assert "[MASK]" not in rows[0]["filled"] + rows[1]["filled"]
    Path("new.txt").write_text("the star [MASK]\nthe star\n")
    done = fw("predict", "words", "new.txt")
    assert done.code == 2
    assert "new.txt, line 2 has no [MASK]: there is nothing to fill in." in done.err

    table()
    still = ("optimizer.lr=0.000001",)
    done = train(
        "--model", "small_bert", *SIZES, f"model.checkpoint={folder}", *OWN, *still, "experiment.run_name=kinds"
    )
    assert done.code == 0, done.err
    learned, begun = loaded(folder).model.encoder, loaded(Path("runs/kinds")).model.encoder
    torch.testing.assert_close(learned.embedding.weight, begun.embedding.weight, rtol=1e-3, atol=1e-4)
    Path("new.txt").write_text("star moon\n")
    assert fw("predict", "kinds", "new.txt").code == 0
    done = train("--model", "small_bert", "model.width=32", f"model.checkpoint={folder}", *OWN)
    assert done.code == 2
    assert (
        "Take its own: model.width=16 model.feed_forward=64 model.depth=1 model.heads=2 model.positions=512" in done.err
    )
    done = train("--model", "small_bert", *SIZES, "model.checkpoint=runs/kinds", *OWN)
    assert done.code == 2
    assert "it is not the folder of a run of small_bert_mlm" in done.err


@pytest.mark.drawn
def test_a_run_of_transformers_is_a_checkpoint_of_a_classifier(train, pretrained, table, fw):
    folder = pretrained("transformer_mlm", "model.feed_forward=16", "model.positions=32", "dataset.test_size=0.1")
    done = fw("evaluate", "words", "--json")
    assert done.code == 0, done.err
    assert {"test/loss", "test/accuracy", "test/perplexity", "test/pseudo_perplexity"} <= set(done.json)
    assert done.json["test/perplexity"] == pytest.approx(math.exp(done.json["test/loss"]), rel=1e-3)
    table()
    words = ("--model", "transformer_classifier", f"model.checkpoint={folder}", "model.lora_rank=2", *OWN)
    done = train(*words, "experiment.run_name=kinds")
    assert done.code == 0, done.err
    assert f"tokenizer {folder}, max_length 34" in done.err
    network = loaded(Path("runs/kinds")).model.network
    learned = loaded(folder).model.network.bert.encoder.layer[0].attention.self.query.weight
    (begun,) = [
        each for key, each in network.named_parameters() if key.endswith("0.attention.self.query.base_layer.weight")
    ]
    assert torch.equal(learned, begun)
    Path("new.txt").write_text("star moon\n")
    assert fw("predict", "kinds", "new.txt").code == 0


def test_what_cannot_be_masked_is_refused():
    Path("tokenizer.json").write_text(registry_tokenizer())
    with pytest.raises(DataError, match="has no token that stands for what is masked"):
        set_up(tokenizer="tokenizer.json")
    module = set_up()
    with pytest.raises(ContractError, match="texts have 32 tokens, and it reads 16") as refused:
        registry.create_model("small_bert_mlm", data=module.data_spec(), width=16, depth=1, positions=16)
    assert "dataset.block_size=16" in str(refused.value)
    Path("lines.txt").write_text("a")
    with pytest.raises(DataError, match=r"There is no text in the (train|val) split"):
        set_up(val_size=0.5)


def registry_tokenizer() -> str:
    from framework_plugins_nlp.tokenization import Tokenizer

    return Tokenizer.train("word", ["star moon", "soup"]).written
