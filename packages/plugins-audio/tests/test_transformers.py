"""Networks of transformers: their outputs are those of transformers with its own feature extractors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from framework_core import DataSpec, registry
from framework_core.errors import ConfigError, ContractError, DataError

CLASSES = ("no", "stop", "yes")
LENGTHS = (16_000, 9_000, 4_000)
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
WAVES = {**TINY, "conv_dim": [8] * 7, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "max_source_positions": 50,
    "classifier_proj_size": 8,
}
SMALL = {"width": 16, "depth": 2, "heads": 2, "feed_forward": 16, "conv_width": 8}


def recordings(samples: int = 16_000) -> DataSpec:
    facts = {"sample_rate": 16_000}
    return DataSpec(task="audio-classification", input_shape=(1, samples), class_names=CLASSES, facts=facts)


def clips() -> tuple[list[np.ndarray], torch.Tensor]:
    """Clips by themselves, and in a batch."""
    generator = np.random.default_rng(0)
    waves = [0.1 * generator.standard_normal(length).astype(np.float32) for length in LENGTHS]
    batch = torch.zeros(len(waves), 1, max(LENGTHS))
    for row, wave in zip(batch, waves, strict=True):
        row[0, : len(wave)] = torch.from_numpy(wave)
    return waves, batch


def saved(folder: Path, config: object, extractor: object) -> Path:
    """A checkpoint with random weights, as it is published."""
    torch.manual_seed(0)
    config.num_labels = len(CLASSES)
    transformers.AutoModelForAudioClassification.from_config(config).save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def said_by_transformers(folder: Path, inputs: dict[str, torch.Tensor], **changes: object) -> torch.Tensor:
    network = transformers.AutoModelForAudioClassification.from_pretrained(folder, **changes).eval()
    with torch.no_grad():
        return network(**inputs).logits


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize("frames", [98, 40])
def test_ast_is_that_of_transformers(project, frames):
    config = transformers.ASTConfig(**TINY, max_length=frames, num_mel_bins=64)
    extractor = transformers.ASTFeatureExtractor(max_length=frames, num_mel_bins=64, mean=-5.0, std=3.0)
    folder = saved(project / "ast", config, extractor)
    waves, batch = clips()
    wanted = said_by_transformers(folder, extractor(waves, sampling_rate=16_000, return_tensors="pt"))
    model = registry.create_model("ast", data=recordings(), checkpoint="ast").eval()
    torch.testing.assert_close(model(batch), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # of WavLM in transformers
@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm"])
@pytest.mark.parametrize("weighted", [False, True])
def test_encoders_of_waves_are_those_of_transformers(project, family, weighted):
    config = transformers.CONFIG_MAPPING[family](**WAVES, feat_extract_norm="layer")
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    folder = saved(project / family, config, extractor)
    waves, batch = clips()
    inputs = extractor(waves, sampling_rate=16_000, padding=True, return_tensors="pt")
    if weighted:
        config.use_weighted_layer_sum = True
        saved(folder, config, extractor)
    wanted = said_by_transformers(folder, inputs)
    model = registry.create_model(
        "audio_transformer", data=recordings(), checkpoint=family, weighted_layers=weighted
    ).eval()
    torch.testing.assert_close(model(batch), wanted, rtol=1e-4, atol=1e-5)


def test_an_encoder_that_was_trained_without_a_mask_sees_none(project):
    """Each clip standardised by itself and filled up with zeros, as in the authors' code."""
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False)
    folder = saved(project / "base", transformers.Wav2Vec2Config(**WAVES, feat_extract_norm="group"), extractor)
    waves, batch = clips()
    each = [extractor(wave, sampling_rate=16_000, return_tensors="pt")["input_values"][0] for wave in waves]
    values = torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
    wanted = said_by_transformers(folder, {"input_values": values})
    model = registry.create_model("audio_transformer", data=recordings(), checkpoint="base", pool="all").eval()
    torch.testing.assert_close(model(batch), wanted, rtol=1e-4, atol=1e-5)


def test_whisper_is_that_of_transformers_and_its_mean_can_be_of_the_clip_alone(project):
    extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    folder = saved(project / "whisper", transformers.WhisperConfig(**WHISPER), extractor)
    waves, batch = clips()
    inputs = extractor(waves, sampling_rate=16_000, return_tensors="pt")
    wanted = said_by_transformers(folder, {"input_features": inputs["input_features"]})
    given = {"data": recordings(), "checkpoint": "whisper"}
    of_all = registry.create_model("audio_transformer", pool="all", **given).eval()
    torch.testing.assert_close(of_all(batch), wanted, rtol=1e-4, atol=1e-5)
    of_clip = registry.create_model("audio_transformer", **given).eval()(batch)
    torch.testing.assert_close(of_clip[0], wanted[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(of_clip[2], wanted[2], atol=1e-4)


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm", "whisper"])
def test_a_family_has_the_sizes_that_were_asked_for_and_all_of_it_learns(family):
    torch.manual_seed(0)
    model = registry.create_model("audio_transformer", data=recordings(), architecture=family, **SMALL)
    config = model.model.network.config
    assert (config.hidden_size, config.num_hidden_layers) == (16, 2)
    _, batch = clips()
    model.training_step((batch, torch.tensor([0, 1, 2])), 0).backward()
    assert not [name for name, each in model.named_parameters() if each.requires_grad and each.grad is None]
    layers = model.parameter_layers()
    assert len(layers) == 4
    assert sorted(name for layer in layers for name in layer) == sorted(name for name, _ in model.named_parameters())
    assert all(".layers.0." in name for name in layers[1])
    assert all("projector" in name or "classifier" in name for name in layers[-1])


def test_what_is_frozen_is_not_learned_and_stays_steady():
    _, batch = clips()
    for freeze, still in (("features", "feature_extractor"), ("encoder", "wav2vec2.")):
        torch.manual_seed(0)
        model = registry.create_model("audio_transformer", data=recordings(), freeze=freeze, **SMALL).train()
        frozen = [name for name, each in model.named_parameters() if not each.requires_grad]
        assert frozen == [name for name, _ in model.named_parameters() if still in name]
    # Dropout in a frozen encoder would only be noise.
    assert torch.equal(model(batch), model(batch))
    with pytest.raises(ConfigError, match=r"model\.freeze: Whisper has no convolutions on the wave"):
        registry.create_model(
            "audio_transformer", data=recordings(), architecture="whisper", freeze="features", **SMALL
        )


@pytest.mark.drawn
def test_a_checkpoint_is_tuned_by_the_command(project, train, fw):
    folder = saved(project / "small", transformers.Wav2Vec2Config(**WAVES), transformers.Wav2Vec2FeatureExtractor())
    done = train(
        "--model", "audio_transformer", "model.checkpoint=small", "model.freeze=encoder",
        "--dataset", "dtmf", "experiment.run_name=tuned",
    )  # fmt: skip
    assert done.code == 0, done.err
    weights = load_file(next(Path("runs/tuned/checkpoints").glob("best*/*.safetensors")))
    before = load_file(folder / "model.safetensors")
    name = "wav2vec2.encoder.layers.0.attention.k_proj.weight"
    assert torch.equal(next(value for key, value in weights.items() if key.endswith(name)), before[name])


def test_the_architecture_of_a_checkpoint_can_be_taken_without_its_weights(project):
    folder = saved(project / "small", transformers.Wav2Vec2Config(**WAVES), transformers.Wav2Vec2FeatureExtractor())
    torch.manual_seed(5)
    model = registry.create_model("audio_transformer", data=recordings(), checkpoint="small", pretrained=False)
    name = "wav2vec2.encoder.layers.0.attention.k_proj.weight"
    assert model.model.network.config.hidden_size == 16
    assert not torch.equal(model.model.network.state_dict()[name], load_file(folder / "model.safetensors")[name])


def test_checkpoints_that_cannot_be_read_are_refused_in_words(project, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    saved(project / "whole", transformers.Wav2Vec2Config(**WAVES), transformers.Wav2Vec2FeatureExtractor())
    damaged = saved(project / "damaged", transformers.Wav2Vec2Config(**WAVES), transformers.Wav2Vec2FeatureExtractor())
    (damaged / "model.safetensors").write_bytes(b"no weights")
    (project / "empty").mkdir()
    for name, model, said in (
        ("no where/at all", "ast", "there is no such folder, and it is no name on the hub"),
        ("empty", "ast", "config.json"),
        ("damaged", "audio_transformer", "its weights are damaged"),
        ("whole", "ast", "of the architecture wav2vec2, and not of audio-spectrogram-transformer"),
        ("someone/nothing", "audio_transformer", "someone/nothing cannot be read"),
    ):
        with pytest.raises(DataError, match=said) as refused:
            registry.create_model(model, data=recordings(), checkpoint=name)
        assert "leave model.checkpoint out" in str(refused.value)


def test_a_size_that_an_architecture_does_not_have_is_refused_with_what_is_near():
    with pytest.raises(ConfigError, match=r"model\.sizes\.conv_dims: wav2vec2 has no such setting.*conv_dim"):
        registry.create_model("audio_transformer", data=recordings(), sizes={"conv_dims": [8]}, **SMALL)


def test_clips_that_are_longer_than_whisper_reads_are_refused(project):
    saved(project / "whisper", transformers.WhisperConfig(**WHISPER), transformers.WhisperFeatureExtractor())
    with pytest.raises(ContractError, match="clips last 2 s, and this Whisper reads 1 s") as refused:
        registry.create_model("audio_transformer", data=recordings(32_000), checkpoint="whisper")
    assert "dataset.seconds=1" in str(refused.value)
