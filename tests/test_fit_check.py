"""The memory that ``fw fit-check`` predicts for models of the domain packages, against that of real steps."""

from __future__ import annotations

import pytest

from framework_core.config.compose import compose
from framework_core.training import preparation
from framework_core.training.footprint import predicted, tracked
from framework_core.training.preflight import one_process

MODELS = [
    ("resnet20", "digits", 64),
    ("resnet18", "digits", 16),
    ("resnext50_32x4d", "digits", 2),
    ("mobilenetv3_small_100", "digits", 8),
    ("convnext_atto", "digits", 4),
    ("efficientnet_b0", "digits", 4),
    ("regnetx_002", "digits", 4),
    ("vit_tiny_patch16_224", "digits", 2),
    ("dlinear", "co2", 32),
    ("nlinear", "co2", 32),
    ("patchtst", "co2", 32),
    ("tcn", "co2", 32),
    ("tide", "co2", 32),
    ("itransformer", "co2", 32),
    ("nbeats", "co2", 32),
    ("nhits", "co2", 32),
    ("tsmixer", "co2", 32),
    ("lstm", "co2", 100),
    ("deepar", "co2", 32),
    ("tft", "co2", 32),
    ("lstm_autoencoder", "co2_faults", 32),
    ("bc_resnet", "dtmf", 32),
    ("m5", "dtmf", 16),
    ("ds_cnn", "dtmf", 32),
    ("matchboxnet", "dtmf", 32),
    ("small_bert", "topics", 16),
    ("small_gpt", "manual", 8),
    ("text_cnn", "topics", 16),
    ("fasttext", "topics", 16),
]


@pytest.mark.catalogue
@pytest.mark.parametrize(("model", "dataset", "batch_size"), MODELS, ids=[name for name, _, _ in MODELS])
def test_the_memory_that_is_predicted_is_that_of_a_real_step_within_five_percent(model, dataset, batch_size):
    words = [f"dataset.batch_size={batch_size}", "trainer.accelerator=cpu", "preflight=false"]
    config = compose(words, model=model, dataset=dataset).config
    config, _ = preparation.fitted_to_model(config)
    prepared = preparation.prepare(config)
    preparation.set_optimization(prepared, config)
    with one_process(prepared.datamodule):
        batch = next(iter(prepared.datamodule.train_dataloader()))
    guess = predicted(prepared.model, batch, config)
    assert guess.batch_size == batch_size
    assert guess.peak == pytest.approx(tracked(prepared.model, batch, config).peak, rel=0.05)
