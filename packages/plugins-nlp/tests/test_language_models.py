"""Text that is continued: blocks, documents, what is measured, and what is generated."""

from __future__ import annotations

import csv
import itertools
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_texts import made_texts

from framework_core import registry
from framework_core.cli import predict as predict_command
from framework_core.errors import ContractError, DataError
from framework_plugins_nlp.drawing import chance_of, drawn

pytestmark = pytest.mark.drawn

SMALL = {"width": 16, "depth": 2, "heads": 2}
PLAY = "".join(f"Fool: {text}, {label}.\nKing: nay!\n" for text, label in made_texts(120))


def set_up(name="text_files", text=PLAY, **given):
    Path("play.txt").write_text(text, encoding="utf-8")
    module = registry.create_dataset(name, path="play.txt", **{"block_size": 16, "batch_size": 4, **given})
    module.setup("fit")
    return module


def small(module, **given):
    torch.manual_seed(0)
    return registry.create_model("small_gpt", data=module.data_spec(), **{**SMALL, **given}).eval()


def test_each_target_is_the_token_that_follows():
    module = set_up()
    for dataset in (module.train_dataset, module.val_dataset):
        inputs, target = dataset.batch(torch.arange(3))
        assert inputs.shape == target.shape == (3, 16)
        assert torch.equal(inputs[:, 1:], target[:, :-1])
        assert module.tokenizer.decode([*inputs[0].tolist(), int(target[0, -1])]) in PLAY


def test_the_end_of_the_text_is_held_out():
    module = set_up(val_size=0.2, test_size=0.1)
    parts = {
        split: module.tokenizer.decode(getattr(module, f"{split}_dataset").ids.tolist()) for split in module._characters
    }
    assert parts["train"] + parts["val"] + parts["test"] == PLAY
    assert len(parts["val"]) == pytest.approx(0.2 * len(PLAY), abs=2)
    assert len(parts["test"]) == pytest.approx(0.1 * len(PLAY), abs=2)


def test_cuts_move_in_training_and_stay_in_validation():
    module = set_up()
    first = module.train_dataset.batch(torch.arange(2))[0]
    assert any(not torch.equal(first, module.train_dataset.batch(torch.arange(2))[0]) for _ in range(5))
    assert torch.equal(*(module.val_dataset.batch(torch.arange(2))[0] for _ in range(2)))


def test_a_text_shorter_than_a_block_is_refused():
    with pytest.raises(DataError, match="The val split has 2 tokens, and a block has 16"):
        set_up(text="ab " * 8)
    with pytest.raises(DataError, match="There is no text in"):
        set_up(text=" \n")


def losses(model, inputs, target):
    """The loss of each token."""
    return torch.nn.functional.cross_entropy(model(inputs)[0], target[0], reduction="none")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("small_gpt", {}),
        ("transformer_lm", {"architecture": "gpt2"}),
        ("transformer_lm", {"architecture": "opt"}),
        pytest.param("transformer_lm", {"architecture": "llama"}, marks=pytest.mark.thorough),
        pytest.param("transformer_lm", {"architecture": "mpt"}, marks=pytest.mark.thorough),
        pytest.param("transformer_lm", {"architecture": "bert"}, marks=pytest.mark.thorough),
    ],
)
def test_a_document_in_a_block_with_others_has_the_loss_that_it_has_alone(name, given):
    module = set_up(documents="line", block_size=64)
    inputs, target = module.val_dataset.batch(torch.arange(1))
    begins = inputs[0].eq(module.data_spec().facts["separator_id"]).nonzero().flatten().tolist()
    assert len(begins) > 1
    sizes = {**SMALL, "feed_forward": 16, **({"positions": 64} if given else {}), **given}

    def made(**more):
        torch.manual_seed(0)
        return registry.create_model(name, data=module.data_spec(), **sizes, **more).eval()

    model = made()
    together = losses(model, inputs, target)
    bounds = sorted({0, *begins, 64})
    for start, end in itertools.pairwise(bounds):
        alone = losses(model, inputs[:, start:end], target[:, start:end])
        torch.testing.assert_close(together[start:end], alone, rtol=1e-5, atol=1e-5)
    leaking = losses(made(across_documents=True), inputs, target)
    assert not torch.allclose(leaking[begins[-1] + 1 :], together[begins[-1] + 1 :], rtol=1e-5, atol=1e-5)


def test_a_network_that_cannot_keep_documents_apart_is_refused_unless_it_may_see_them():
    module = set_up(documents="line")
    sizes = {**SMALL, "feed_forward": 16, "architecture": "bloom"}
    with pytest.raises(ContractError, match="bloom cannot keep documents apart") as refused:
        registry.create_model("transformer_lm", data=module.data_spec(), **sizes)
    assert "model.across_documents=true" in str(refused.value)
    model = registry.create_model("transformer_lm", data=module.data_spec(), across_documents=True, **sizes)
    assert model(module.val_dataset.batch(torch.arange(1))[0]).shape[:2] == (1, 16)


def test_no_token_sees_what_follows_it():
    module = set_up()
    model = small(module)
    inputs, _ = module.val_dataset.batch(torch.arange(1))
    changed = inputs.clone()
    changed[0, 9:] = (changed[0, 9:] + 1) % model.vocabulary_size
    torch.testing.assert_close(model(inputs)[0, :9], model(changed)[0, :9], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model(inputs)[0, 9:], model(changed)[0, 9:], atol=1e-4)


def test_blocks_longer_than_a_network_reads_are_refused():
    module = set_up(block_size=32)
    sizes = {**SMALL, "feed_forward": 16, "positions": 16}
    with pytest.raises(ContractError, match="blocks have 32 tokens, and it reads 18") as refused:
        registry.create_model("transformer_lm", data=module.data_spec(), **sizes)
    assert "dataset.block_size=18" in str(refused.value)


def test_an_encoder_that_is_to_continue_text_sees_no_token_ahead():
    module = set_up()
    torch.manual_seed(0)
    sizes = {**SMALL, "feed_forward": 16, "architecture": "bert"}
    model = registry.create_model("transformer_lm", data=module.data_spec(), **sizes).eval()
    inputs, _ = module.val_dataset.batch(torch.arange(1))
    changed = inputs.clone()
    changed[0, 9:] = (changed[0, 9:] + 1) % model.vocabulary_size
    torch.testing.assert_close(model(inputs)[0, :9], model(changed)[0, :9], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 5, 16])
def test_kept_keys_give_what_the_whole_text_gives(length):
    module = set_up()
    model = small(module)
    row = module.val_dataset.batch(torch.arange(1))[0][0, :length]
    made = list(model.generate(row, max_new_tokens=30, temperature=0))
    assert len(made) == 30
    seen = row
    for token in made:
        expected = model(seen[None])[0, -1].argmax()
        assert int(expected) == token
        seen = torch.cat([seen, torch.tensor([token])])
        if len(seen) > 16:
            seen = seen[-8:]


def test_a_daring_draw_is_among_the_likeliest():
    logits = np.array([0.0, 3.0, 1.0, 2.0], dtype=np.float32)
    chance = np.random.default_rng(0)
    assert drawn(logits, 0, None, chance) == 1
    assert {drawn(logits, 5.0, 2, chance) for _ in range(50)} == {1, 3}
    assert {drawn(logits, 50.0, None, chance) for _ in range(200)} == {0, 1, 2, 3}


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = np.log(np.array([0.6, 0.3, 0.1]))
    chance = np.random.default_rng(0)
    counts = np.bincount([drawn(logits, 1.0, None, chance) for _ in range(4000)])
    assert counts / 4000 == pytest.approx([0.6, 0.3, 0.1], abs=0.03)
    hot = np.bincount([drawn(logits, 0.5, None, chance) for _ in range(4000)])
    assert hot / 4000 == pytest.approx(np.array([0.36, 0.09, 0.01]) / 0.46, abs=0.03)


def test_a_text_comes_piece_by_piece():
    module = set_up(tokenizer="bpe", vocabulary_size=300, text=PLAY.replace("soup", "süß"))
    model = small(module)
    chance = np.random.default_rng(0)
    pieces = list(model.stream("Fool: ", max_new_tokens=40, temperature=1.0, generator=chance))
    assert len(pieces) > 10
    whole = list(
        model.generate(
            torch.from_numpy(module.tokenizer.encode(["Fool: "]).ids).long(),
            max_new_tokens=40,
            temperature=1.0,
            generator=np.random.default_rng(0),
        )
    )
    assert module.tokenizer.decode(whole).startswith("".join(pieces))


def test_what_is_measured_is_in_nats_of_tokens_and_of_characters(train, sliced):
    set_up()
    where = ("--dataset", "text_files", "dataset.path=play.txt", "dataset.block_size=16", "dataset.test_size=0.1")
    tokens = ("dataset.tokenizer=bpe", "dataset.vocabulary_size=300")
    sizes = ("model.width=16", "model.depth=1", "model.heads=2", "model.max_new_tokens=20")
    done = train("--model", "small_gpt", *where, *tokens, *sizes, "mlops.report=true", "experiment.run_name=fool")
    assert done.code == 0, done.err
    found = done.json["metrics"]
    assert found["test/perplexity"] == pytest.approx(math.exp(found["test/loss"]), rel=1e-3)
    assert found["test/nats_per_character"] < found["test/loss"]
    assert "position" in sliced("fool", found, "loss")
    with Path("runs/fool/tables/samples.csv").open(encoding="utf-8", newline="") as file:
        samples = list(csv.DictReader(file))
    assert len(samples) == 3
    assert len({each["text"] for each in samples}) == 3


def test_the_command_continues_each_line(train, fw):
    set_up()
    where = ("--dataset", "text_files", "dataset.path=play.txt", "dataset.block_size=16", "dataset.batch_size=4")
    sizes = ("model.width=16", "model.depth=1", "model.heads=2", "model.max_new_tokens=20", "model.temperature=0")
    done = train("--model", "small_gpt", *where, *sizes, "experiment.run_name=fool")
    assert done.code == 0, done.err
    Path("prompts.txt").write_text("Fool: the\nKing\n")
    assert fw("predict", "fool", "prompts.txt", "-o", "said.csv").code == 0
    found = list(csv.DictReader(Path("said.csv").read_text("utf-8").splitlines(True)))
    assert [row["text"] for row in found] == ["Fool: the", "King"]
    assert all(len(row["continued"]) == 20 for row in found)


def test_the_command_prints_text_as_it_is_made_drawn_by_the_settings_and_the_seed(train, fw, monkeypatch):
    set_up()
    where = ("--dataset", "text_files", "dataset.path=play.txt", "dataset.block_size=16", "dataset.batch_size=4")
    sizes = ("model.width=16", "model.depth=1", "model.heads=2", "model.max_new_tokens=20")
    assert train("--model", "small_gpt", *where, *sizes, "experiment.run_name=fool").code == 0
    Path("prompts.txt").write_text("Fool: the\nKing\n")
    daring = ("model.temperature=2", "model.max_new_tokens=9")
    assert fw("predict", "fool", "prompts.txt", *daring, "-o", "said.csv").code == 0
    first, second = csv.DictReader(Path("said.csv").read_text("utf-8").splitlines(True))
    pieces = []
    monkeypatch.setattr(predict_command, "print", lambda text, **how: pieces.append((text, how)), raising=False)
    assert fw("predict", "fool", "prompts.txt", *daring).code == 0
    assert all(how == {"end": "", "flush": True} for _, how in pieces)
    assert len(pieces) > 10
    said = "".join(text for text, _ in pieces)
    assert said == f"Fool: the{first['continued']}\n\nKing{second['continued']}\n"
    pieces.clear()
    assert fw("predict", "fool", "prompts.txt", *daring, "seed=7").code == 0
    assert "".join(text for text, _ in pieces) != said
    refused = fw("predict", "fool", "prompts.txt", "model.top_p=0")
    assert refused.code == 2
    assert "model.top_p: must be more than 0" in refused.err


@pytest.mark.thorough
def test_ctrl_c_ends_text_that_is_made_with_one_message(train, project):
    set_up()
    where = ("--dataset", "text_files", "dataset.path=play.txt", "dataset.block_size=16", "dataset.batch_size=4")
    assert (
        train("--model", "small_gpt", *where, "model.width=16", "model.depth=1", "experiment.run_name=fool").code == 0
    )
    Path("prompts.txt").write_text("Fool: the\n")
    command = [sys.executable, "-m", "framework_core", "predict", "fool", "prompts.txt", "model.max_new_tokens=1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        begun = os.read(process.stdout.fileno(), 9)
        assert begun
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.endswith(b"\n")
    assert err.decode().splitlines()[1:] == ["error: Stopped by Ctrl-C."]


def test_the_likeliest_tokens_that_make_up_a_share_are_drawn_among():
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    chance = np.random.default_rng(0)
    assert {drawn(logits, 1.0, None, chance, top_p=0.6) for _ in range(200)} == {0, 1}
    assert {drawn(logits, 1.0, None, chance, top_p=0.01) for _ in range(20)} == {0}


def test_a_text_goes_on_the_same_whatever_stands_beside_it():
    module = set_up()
    model = small(module, max_new_tokens=12, temperature=1.0)

    def continued(*texts: str) -> list[str]:
        tokens = torch.from_numpy(module.tokenizer.encode(texts, special=False).ids).long().view(len(texts), -1)
        return model.predict_step(tokens, 0)["continued"]

    torch.manual_seed(0)
    first = continued("Fool")
    assert continued("King", "Fool")[1] == first[0]
    torch.manual_seed(1)
    assert continued("Fool") != first
    assert chance_of(0, [1, 2]).random() != chance_of(0, [2, 1]).random()


def test_each_kind_of_model_has_data_of_its_own_where_none_is_named(fw):
    done = fw("config", "show", "model=small_gpt")
    assert done.code == 0, done.err
    assert "name: manual" in done.out
    assert "name: topics" in fw("config", "show", "model=text_cnn").out
