"""Raw files answered without torch: the rows of `fw predict`, from the exported network and what stands around it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from framework_core import predict, registry
from framework_core.config.compose import compose
from framework_core.deployment.export import export
from framework_core.deployment.formats import to_onnx
from framework_core.deployment.network import Network, Source
from framework_core.errors import DataError
from framework_core.prediction import table_of
from framework_core.run import train
from framework_core.serving.exported import ExportedModel
from framework_core.serving.processing import build
from framework_core.trained import Trained, trained

pytestmark = pytest.mark.drawn("file")

TINY_BERT = {"width": 16, "depth": 1, "heads": 2, "feed_forward": 16, "positions": 64}
TINY_CNN = ("model.width=8", "model.filters=4", "trainer.max_epochs=1", "trainer.limit_train_batches=2")
QUIET = ("mlops.tracking.backend=none", "mlops.report=false", "preflight=false", "trainer.accelerator=cpu")
EXACT = "trainer.precision=32-true"
"""A processor with units for bf16 is trained on and predicts with them; an export does not."""

ANSWERS = """
import importlib, json, pkgutil, sys
from pathlib import Path

for name in ("torch", "lightning", "mlflow", "transformers", "torchmetrics", "pyarrow", "datasets"):
    sys.modules[name] = None  # whoever imports it fails
import onnxruntime
import framework_plugins_nlp
from framework_core.contracts import Processing
from framework_core.serving.processing import build

for module in pkgutil.iter_modules(framework_plugins_nlp.__path__):
    if module.name.startswith("serving"):
        importlib.import_module(f"framework_plugins_nlp.{module.name}")
before, behind = (build(Processing(**each)) for each in json.loads(Path("processing.json").read_text()))
session = onnxruntime.InferenceSession("exported/model.onnx", providers=["CPUExecutionProvider"])
names = [each.name for each in session.get_outputs()]
rows = []
for path in map(Path, sys.argv[1:]):
    samples = before.samples(path.read_bytes(), path.suffix)
    network = lambda inputs: dict(zip(names, session.run(None, {"input": inputs})))
    said = behind.answer(network, before.batch([each.input for each in samples]))
    rows += [{"path": str(path), **row} for row in before.rows(samples, said)]
print(json.dumps(rows))
"""


@dataclass
class Topics:
    """A run of two steps, its model in ONNX, and a datamodule like that of the run."""

    runs: Path
    trained: Trained
    datamodule: Any


@pytest.fixture(scope="module")
def topics(tmp_path_factory, cache) -> Topics:
    """The run `topics` and its export `exported`, in one folder."""
    folder = tmp_path_factory.mktemp("topics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEWORK_CACHE", str(cache))
        chosen = ("model=text_cnn", "dataset=topics", "dataset.max_length=24", f"output_dir={folder}")
        train(compose([*chosen, *TINY_CNN, *QUIET, EXACT, "experiment.run_name=topics"]).config)
        export("topics", "onnx", folder / "exported", output_dir=folder)
        found = trained("topics", output_dir=folder)
        return Topics(folder, found, registry.create_dataset(**found.config.dataset.model_dump()))


def test_tokens_that_a_model_does_not_know_are_refused(topics):
    served = ExportedModel(topics.runs / "exported")
    for tokens in ([[10**6]], [[-1]]):
        with pytest.raises(DataError, match="The model knows tokens from 0 to"):
            served.infer(np.array(tokens))
    assert served.infer(np.array([[1, 2, 3]]))["output"].shape == (1, len(served.about["class_names"]))


def in_json(*processings) -> list:
    return [json.loads(each.model_dump_json()) for each in processings]


def test_a_program_without_torch_gives_the_rows_of_predict(topics, project):
    found, datamodule = topics.trained, topics.datamodule
    Path("lines.txt").write_text(
        "\ufeffThe list is sorted.\r\n\r\nA socket is closed " + "again " * 50 + "\r\n", "utf-8"
    )
    Path("table.csv").write_text('number,text\n1,"A thread,\nand a lock"\n2,\n', "utf-16")
    Path("objects.jsonl").write_text('{"text": "half a \\ud83d pair"}\n', "utf-8")
    files = [Path("lines.txt"), Path("table.csv"), Path("objects.jsonl")]
    wanted = predict("topics", files, output_dir=topics.runs)

    Path("processing.json").write_text(
        json.dumps(in_json(datamodule.preprocessing(found.data), found.model.postprocessing()))
    )
    Path("exported").symlink_to(topics.runs / "exported")
    assert json.loads(Path("exported/export.json").read_text())["compared_files"]["files"] == 1
    done = subprocess.run([sys.executable, "-c", ANSWERS, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [row.pop("label") for row in said] == [row.pop("label") for row in wanted]
    assert [(row["path"], row["line"]) for row in said] == [(row["path"], row["line"]) for row in wanted]
    for one, other in zip(said, wanted, strict=True):
        assert one.keys() == other.keys()
        assert one["text"] == other["text"]
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.txt", b""),
        ("blank.txt", b"\n \n"),
        ("bytes.txt", b"caf\xe9 and more\n"),
        ("wide.txt", "ein Wort".encode("utf-16-le")),
        ("nul.txt", b"a\0b\n"),
        ("other.csv", b"name,size\na,2\n"),
        ("ragged.csv", b"text,size\na\n"),
        ("no.jsonl", b"{text\n"),
    ],
)
def test_what_cannot_be_read_is_told_as_predict_tells_it(topics, name, content):
    found, datamodule = topics.trained, topics.datamodule
    Path(name).write_bytes(content)
    with pytest.raises(DataError) as wanted:
        datamodule.predict_dataset([Path(name)], found.data)
    with pytest.raises(DataError) as said:
        build(datamodule.preprocessing(found.data)).samples(content, Path(name).suffix)
    assert said.value.what == wanted.value.what.replace(name, f"input{Path(name).suffix}")


def answered(model, datamodule, files, network) -> list:
    """The rows of files, by what an export is told of data and model."""
    before, behind = build(datamodule.preprocessing(model.data)), build(model.postprocessing())
    rows = []
    for path in files:
        samples = before.samples(path.read_bytes(), path.suffix)
        said = behind.answer(network, before.batch([each.input for each in samples]))
        rows += [{"path": str(path), **row} for row in before.rows(samples, json.loads(json.dumps(said)))]
    return rows


def predicted(model, datamodule, files) -> list:
    """The rows of files, as `fw predict` gives them."""
    dataset = datamodule.predict_dataset(files, model.data)
    return table_of(dataset, files, [model.predict_step(batch, 0) for batch in datamodule.loader(dataset)])


def in_torch(model):
    def network(batch):
        found = Network(model)(torch.from_numpy(batch))
        return dict(zip(("output", "probabilities"), (each.numpy() for each in found), strict=False))

    return network


def in_onnx(model, datamodule, folder: Path):
    """The network in ONNX, written from a batch of the test."""
    import onnxruntime

    inputs, _ = next(iter(datamodule.test_dataloader()))
    to_onnx(Source(model, model.data, {}), inputs, folder, {})
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda batch: dict(zip(names, session.run(None, {"input": batch}), strict=True))


def made(dataset: str, model: str, settings=None, **data):
    datamodule = registry.create_dataset(dataset, **data)
    datamodule.setup("fit")
    network = registry.create_model(model, data=datamodule.data_spec(), **{**TINY_BERT, **(settings or {})})
    return network.eval().requires_grad_(False), datamodule


SENTENCES = [
    "Ada B-PER",
    "Hopper I-PER",
    "visited O",
    "Oslo B-LOC",
    ". O",
    "",
    "Alan B-PER",
    "slept O",
    "",
    "Rome B-LOC",
]


@pytest.mark.parametrize("scheme", ["bio", "none"])
def test_words_are_tagged_as_predict_tags_them(project, scheme):
    Path("names.conll").write_text("\n\n".join(["\n".join(SENTENCES)] * 4) + "\n", "utf-8")
    model, datamodule = made("conll", "small_bert", path="names.conll", scheme=scheme, max_length=6)
    Path("lines.txt").write_text("Grace Hopper visited Rome and never came back .\n\nAda \u200b slept\n", "utf-8")
    Path("more.jsonl").write_text('{"words": ["Alan", "slept"]}\n{"words": []}\n', "utf-8")
    files = [Path("lines.txt"), Path("more.jsonl"), Path("names.conll")]
    network = in_torch(model)
    for said, wanted in zip(
        answered(model, datamodule, files, network), predicted(model, datamodule, files), strict=True
    ):
        numbers = "confidence" if scheme == "none" else "entities"
        one, other = said.pop(numbers), wanted.pop(numbers)
        assert said == wanted
        if scheme == "bio":
            shares = [([each.pop("confidence") for each in entities], entities) for entities in (one, other)]
            assert shares[0][1] == shares[1][1]
            one, other = shares[0][0], shares[1][0]
        assert one == pytest.approx(other, abs=1e-5)


def test_questions_are_answered_as_predict_answers_them(project, tmp_path):
    model, datamodule = made("lost_things", "small_bert_qa", count=60, max_length=40, stride=8)
    context = " ".join(f"Item {number} lies in room {number}." for number in range(12))
    Path("asked.csv").write_text(f'question,context\nWhere is item 3?,"{context}"\nWho?,Nobody.\n', "utf-8")
    files = [Path("asked.csv"), *datamodule.sample_files(2, tmp_path)]
    said = answered(model, datamodule, files, in_onnx(model, datamodule, tmp_path))
    wanted = predicted(model, datamodule, files)
    assert len(said) == 4
    for one, other in zip(said, wanted, strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-4)
        assert one == other


def test_masks_are_filled_in_as_predict_fills_them_in(project, tmp_path):
    Path("story.txt").write_text("The cat sat on the mat, and the dog saw it.\n" * 40, "utf-8")
    data = {"path": "story.txt", "task": "fill-mask", "tokenizer": "word", "block_size": 16, "test_size": 0.2}
    model, datamodule = made("text_files", "small_bert_mlm", batch_size=4, **data)
    Path("new.txt").write_text("The [MASK] sat on the [MASK]\n\nit saw [MASK].\n", "utf-8")
    files = [Path("new.txt"), *datamodule.sample_files(2, tmp_path)]
    said, wanted = answered(model, datamodule, files, in_torch(model)), predicted(model, datamodule, files)
    assert [len(row["candidates"]) for row in said] == [2, 1, 1, 1]
    for one, other in zip(said, wanted, strict=True):
        shares = [[list(each.values()) for each in row.pop("candidates")] for row in (one, other)]
        assert one == other
        for here, there in zip(*shares, strict=True):
            assert here == pytest.approx(there, abs=1e-5)
    for number, text in enumerate(("nothing is masked", "a " * 20 + "[MASK]")):
        name = f"{number}.txt"
        Path(name).write_text(text, "utf-8")
        with pytest.raises(DataError) as refused:
            datamodule.predict_dataset([Path(name)], model.data)
        with pytest.raises(DataError) as told:
            build(datamodule.preprocessing(model.data)).samples(text.encode(), ".txt")
        assert told.value.what == refused.value.what.replace(name, "input.txt")


PLAY = "".join(f"Fool: it is the number {n} of the soup.\nKing: nay!\n" for n in range(40))
PROMPTS = "Fool: the\n\nKing\nFool: it is the number 7 of the soup. And so it goes on\n"


@pytest.mark.some_of(1)
@pytest.mark.parametrize(("documents", "settings"), [(1, {"temperature": 0}), (4, {"top_k": 9, "top_p": 0.9})])
def test_texts_are_continued_as_predict_continues_them(project, tmp_path, documents, settings):
    Path("plays").mkdir()
    for number in range(documents):
        Path("plays", f"{number}.txt").write_text(PLAY, "utf-8")
    data = {"path": "plays", "block_size": 16, "test_size": 0.1, "batch_size": 4}
    sizes = {"width": 16, "depth": 1, "heads": 2, "feed_forward": 16, "max_new_tokens": 30}
    datamodule = registry.create_dataset("text_files", **data)
    datamodule.setup("fit")
    model = registry.create_model("small_gpt", data=datamodule.data_spec(), **sizes, **settings).eval()
    Path("new.txt").write_text(PROMPTS, "utf-8")
    Path("more.csv").write_text('text\n"King: nay, and"\n', "utf-8")
    files = [Path("new.txt"), Path("more.csv"), *datamodule.sample_files(8, tmp_path)]
    network = in_onnx(model, datamodule, tmp_path)
    with torch.no_grad():
        wanted = predicted(model, datamodule, files)
    assert answered(model, datamodule, files, network) == wanted
    assert len(wanted) == 8
    assert max(len(row["continued"]) for row in wanted) > 16  # longer than a block


@pytest.mark.some_of(1)
@pytest.mark.parametrize("architecture", ["bart", "t5"])
def test_texts_are_made_of_others_as_predict_makes_them(project, tmp_path, architecture):
    Path("pairs.csv").write_text("src,target\n" + "".join(f"number {n},{n * n}\n" for n in range(60)), "utf-8")
    data = {"path": "pairs.csv", "tokenizer": "character", "max_length": 14, "max_target_length": 8}
    datamodule = registry.create_dataset("text_pairs", **data, batch_size=4)
    datamodule.setup("fit")
    chosen = {"architecture": architecture, "max_new_tokens": 9, **TINY_BERT}
    model = registry.create_model("transformer_seq2seq", data=datamodule.data_spec(), **chosen).eval()
    Path("new.txt").write_text("number 7\n\nand number 70 and on\n", "utf-8")
    Path("more.csv").write_text("src,count\nnumber 8,1\n,2\n", "utf-8")
    files = [Path("new.txt"), Path("more.csv"), *datamodule.sample_files(2, tmp_path)]
    wanted = predicted(model, datamodule, files)
    assert answered(model, datamodule, files, in_onnx(model, datamodule, tmp_path)) == wanted
    assert len(wanted) == 6
    rules = model.requires_grad_(False).model.network.generation_config
    said = answered(model, datamodule, files, in_torch(model))
    common = datamodule.tokenizer.encode([said[0]["generated"]], special=False).ids.tolist()[0]
    rules.no_repeat_ngram_size, rules.bad_words_ids = 2, [[common]]
    wanted = predicted(model, datamodule, files)
    assert answered(model, datamodule, files, in_torch(model)) == wanted != said
    rules.min_length = 4  # of which an export knows nothing
    assert model.postprocessing() is None
    rules.min_length, model.beams = 0, 2  # of which an export knows nothing
    assert model.postprocessing() is None


def test_samples_of_the_test_come_as_files_that_are_read(topics, project, tmp_path):
    datamodule = topics.datamodule
    datamodule.setup("fit")
    (path,) = datamodule.sample_files(5, tmp_path)
    assert path.suffix == ".txt"
    read = [each.text for each in datamodule.new_texts(path)]
    assert read == list(datamodule.texts["test"].texts[:5])

    Path("texts.csv").write_text('text,label\n"one\ntwo",a\n\ufeffx,b\n' * 20, "utf-8")
    lines = registry.create_dataset("text_table", path="texts.csv")
    lines.setup("fit")
    (path,) = lines.sample_files(4, tmp_path)
    assert path.suffix == ".jsonl"
    assert [each.text for each in lines.new_texts(path)] == list(lines.texts["test"].texts[:4])


def test_a_file_that_is_one_text_is_answered_in_one_row(project, tmp_path):
    for number in range(6):
        for name in ("food", "sky"):
            Path("texts", name).mkdir(parents=True, exist_ok=True)
            Path("texts", name, f"{number}.txt").write_text(f"{name}\nand {number}\n", "utf-8")
    datamodule = registry.create_dataset("text_folder", path="texts")
    datamodule.setup("fit")
    files = datamodule.sample_files(2, tmp_path)
    assert len(files) == 2
    before = build(datamodule.preprocessing(datamodule.data_spec()))
    (sample,) = before.samples(files[0].read_bytes(), ".txt")
    assert sample.row == {"line": 1, "text": files[0].read_text("utf-8")}
    assert before.suffixes == (".txt",)
