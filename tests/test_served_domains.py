"""From training to an answer, for each domain: trained, registered, promoted, served by its stage, asked."""

from __future__ import annotations

import json
import subprocess

import pytest
from served import serving

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

SMALL_TEXT = ("model.width=16", "model.depth=1", "model.heads=2", "model.max_new_tokens=12")
SMALL_PAIRS = ("model.width=16", "model.depth=1", "model.positions=64", "model.heads=2", "model.max_new_tokens=12")
DOMAINS = {
    "vision": ("resnet20", "digits"),
    "nlp": ("fasttext", "topics"),
    "text that goes on": ("small_gpt", "manual", *SMALL_TEXT),
    "text of another": ("transformer_seq2seq", "spoken_numbers", "dataset.tokenizer=character", *SMALL_PAIRS),
    "timeseries": ("dlinear", "sunspots"),
    "audio": ("m5", "dtmf"),
}


@pytest.mark.some_of(1)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_model_is_trained_registered_promoted_served_and_asked(domain, warm, tmp_path):
    model, dataset, *settings = DOMAINS[domain]

    def fw(*words):
        done = subprocess.run([warm.command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    words = ("trainer=debug", "trainer.precision=32-true", "mlops.report=false", "experiment.run_name=one")
    fw("train", "--model", model, "--dataset", dataset, *settings, *words, "--register", "thing")
    for stage in ("staging", "production"):
        fw("registry", "promote", "thing", "1", stage)
    fw("export", "thing@production", "--to", "onnx", "-o", "exported")
    golden = sorted((tmp_path / "exported" / "golden").iterdir())
    said = json.loads(fw("predict", "thing@production", "--json", str(golden[0])))
    with serving(warm.command, "thing@production", "--runtime", "onnx", folder=tmp_path) as server:
        rows = server.predict(golden[0])
        assert server.said["model"].startswith("thing, version 1, onnx")
    assert len(rows) == len(said)
    for row, expected in zip(rows, said, strict=True):
        for name in set(expected) - {"path"}:
            assert row[name] == pytest.approx(expected[name], abs=1e-3) or row[name] == expected[name]
