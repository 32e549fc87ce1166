"""The networks: as large as their papers say, learning, saved, measured; and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch
from made_sounds import fsdd
from torch import nn

from framework_core import DataSpec, registry
from framework_core.errors import ConfigError, ContractError, DataError
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.targets import import_target

OURS = "framework-plugins-audio"
OFFERS = [offer for offer in registry.catalogue.offers("model") if offer.distribution == OURS]
NAMES = [offer.spec.name for offer in OFFERS]
TINY = {"width": 16, "depth": 1, "heads": 2, "feed_forward": 16, "conv_width": 8}
"""Sizes that a network of transformers has a setting for."""


def recordings(classes: int = 10, rate: int = 16_000, samples: int = 16_000, channels: int = 1) -> DataSpec:
    names = tuple(str(number) for number in range(classes))
    facts = {"sample_rate": rate}
    return DataSpec(task="audio-classification", input_shape=(channels, samples), class_names=names, facts=facts)


def numbers(model: nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())


def small(name: str) -> dict[str, object]:
    """The settings that make a network small."""
    if name in ("ast", "audio_transformer"):
        return {key: value for key, value in TINY.items() if key != "conv_width" or name == "audio_transformer"}
    return {"architecture": "test_resnet"} if name == "mel_timm" else {}


@pytest.mark.parametrize("offer", OFFERS, ids=NAMES)
def test_every_spec_is_complete(offer):
    spec = offer.spec
    assert spec.domain == "audio"
    assert spec.summary
    assert spec.tags
    assert spec.licence
    assert "http" in spec.paper
    builder = import_target(spec.builder)
    assert set(spec.tasks) == set(builder.tasks)
    assert "http" in builder.__doc__, f"{spec.name} does not say which paper it is of"
    if spec.parameters is not None:
        assert numbers(registry.create_model(spec.name, data=recordings(rate=8_000, samples=8_000))) == spec.parameters
    assert all(field.description for key, field in config_class(offer).model_fields.items() if key != "name")


def test_ds_cnn_takes_the_memory_that_its_paper_says():
    """Table 7: 38.6, 189.2 and 497.6 KB, a byte a weight, bias and value of the two largest layers that meet."""
    frames = {"features": "mfcc", "n_mfcc": 10, "window_ms": 40.0, "hop_ms": 20.0}
    for size, said in (("s", 38.6), ("m", 189.2), ("l", 497.6)):
        model = registry.create_model("ds_cnn", data=recordings(12), size=size, **frames)
        # The authors' second is 49 frames of 40 ms that lie inside it.
        values, held = [10 * 49], 0
        x = torch.zeros(1, 1, 10, 49)
        for part in model.model.network:
            x = part(x)
            if isinstance(part, nn.Conv2d | nn.Linear):
                values.append(x.numel())
                held += part.weight.numel() + part.weight.shape[0]
        values = max(first + second for first, second in pairwise(values))
        assert (held + values) / 1000 == pytest.approx(said, rel=0.02)


@pytest.mark.parametrize(("tau", "thousands"), [(1.0, 9.2), (2.0, 27.3), (3.0, 54.2), (6.0, 188.0), (8.0, 321.0)])
def test_bc_resnet_is_as_large_as_its_paper_says(tau, thousands):
    """Table 2."""
    model = registry.create_model("bc_resnet", data=recordings(12), tau=tau)
    assert round(numbers(model) / 1000, 1 if thousands < 100 else 0) == thousands


@pytest.mark.parametrize(("blocks", "sub_blocks", "thousands"), [(3, 1, 77), (3, 2, 93)])
def test_matchboxnet_is_as_large_as_its_paper_says(blocks, sub_blocks, thousands):
    """Table 2, for the 30 classes of the first version of Speech Commands."""
    model = registry.create_model("matchboxnet", data=recordings(30), blocks=blocks, sub_blocks=sub_blocks)
    assert round(numbers(model) / 1000) == thousands


@pytest.mark.some_of(3)
@pytest.mark.parametrize("name", NAMES)
def test_each_network_reads_any_length_and_silence(name):
    torch.manual_seed(0)
    data = recordings(3, samples=9_000)
    model = registry.create_model(name, data=data, **small(name)).eval()
    waves = 0.1 * torch.randn(2, 1, 9_000)
    outputs = model(waves)
    assert outputs.shape == (2, 3)
    assert torch.isfinite(outputs).all()
    assert torch.isfinite(model(torch.zeros(2, 1, 9_000))).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("ast", "audio_transformer")])
def test_each_network_of_its_own_takes_two_channels(name):
    model = registry.create_model(name, data=recordings(3, channels=2, samples=8_000), **small(name)).eval()
    assert model(0.1 * torch.randn(2, 2, 8_000)).shape == (2, 3)


@pytest.mark.some_of(2)
@pytest.mark.parametrize("name", NAMES)
def test_each_network_is_exported_with_its_front_end(name):
    torch.manual_seed(0)
    model = registry.create_model(name, data=recordings(3, samples=8_000), **small(name)).eval()
    waves = 0.1 * torch.randn(3, 1, 8_000)
    waves[1, :, 5_000:] = 0
    batch = {0: torch.export.Dim("batch", min=1)}
    exported = torch.export.export(model.model, (waves,), dynamic_shapes=(batch,)).module()
    for some in (waves, waves[1:]):
        torch.testing.assert_close(exported(some), model(some), rtol=1e-4, atol=1e-5)


@pytest.mark.drawn
@pytest.mark.parametrize("name", ["matchboxnet", "ast"])
def test_a_network_of_half_precision_trains(name, train):
    words = [f"model.{key}={value}" for key, value in small(name).items()]
    done = train("--model", name, "--dataset", "dtmf", "trainer.precision=bf16-true", *words)
    assert done.code == 0, done.err


def test_masks_of_the_front_end_are_drawn_in_training_only():
    model = registry.create_model(
        "ds_cnn", data=recordings(3, samples=8_000), frequency_masks=2, time_masks=2, time_mask_ms=200.0
    )
    waves = 0.1 * torch.randn(4, 1, 8_000)
    front_end = model.model.front_end
    torch.manual_seed(0)
    masked = front_end.train()(waves)
    plain = front_end.eval()(waves)
    assert (masked != plain).any()
    assert torch.equal(front_end(waves), plain)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model=bc_resnet", "model.n_mels=64"), "40 bands, 80 or 120, not 64"),
        (("model=ds_cnn", "model.n_mfcc=10"), "n_mfcc has an effect with features=mfcc only"),
        (("model=ds_cnn", "model.features=mfcc", "model.n_mfcc=64"), "n_mfcc=64 is more than the 40 bands"),
        (("model=ds_cnn", "model.trainable_pcen=true"), "trainable_pcen has an effect with features=pcen only"),
        (("model=mel_timm", "model.pretrained=true", "model.weights=w.pth"), "two places to start from"),
        (("model=ast", "model.width=30"), "width 30 is not a multiple of heads 4"),
        (("model=ast", "model.revision=main"), "revision has an effect with a checkpoint only"),
        (("model=audio_transformer", "model.architecture=bert"), "model.architecture"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fw, words, said):
    done = fw("config", "validate", "dataset=dtmf", *words)
    assert done.code == 2
    assert said in done.err


def test_a_recipe_of_a_paper_is_trained_by_the_command(train, project):
    mfcc = ("model.features=mfcc", "model.n_mfcc=10", "model.window_ms=40", "model.hop_ms=20")
    done = train("--model", "ds_cnn", "--dataset", "dtmf", *mfcc, "experiment.run_name=hello")
    assert done.code == 0, done.err
    assert "test/accuracy" in done.json["metrics"]
    assert json.loads((project / "runs/hello/data.json").read_text())["facts"]["sample_rate"] == 8_000


def test_the_recipe_for_spoken_digits_is_trained_on_them(train, project):
    fsdd(project / "digits")
    words = ("+experiment=spoken_digits", "dataset.path=digits", "dataset.test_speaker=theo")
    done = train(*words, "experiment.run_name=spoken")
    assert done.code == 0, done.err
    assert "1x8000, 10 classes" in done.err
    kept = (project / "runs/spoken/config.yaml").read_text()
    assert "name: matchboxnet" in kept
    assert "shift: 0.1" in kept


def test_a_name_that_timm_does_not_have_is_refused_with_what_is_near():
    with pytest.raises(ConfigError, match=r"model\.architecture: timm has no such network .*Did you mean resnet"):
        registry.create_model("mel_timm", data=recordings(), architecture="resnet19")
    with pytest.raises(ConfigError, match=r"model\.args: resnet18 takes other ones: .*windows"):
        registry.create_model("mel_timm", data=recordings(), args={"windows": 3})
    with pytest.raises(ConfigError, match=r"model\.pretrained: timm has no pretrained weights of"):
        registry.create_model("mel_timm", data=recordings(), architecture="nf_resnet26", pretrained=True)


@pytest.mark.parametrize("architecture", ["resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050"])
def test_networks_of_timm_are_built_for_the_size_of_the_spectrogram(architecture):
    model = registry.create_model("mel_timm", data=recordings(5, samples=9_000), architecture=architecture).eval()
    assert model(0.1 * torch.randn(2, 1, 9_000)).shape == (2, 5)
    layers = model.parameter_layers()
    assert len(layers) > 2
    assert sorted(name for layer in layers for name in layer) == sorted(name for name, _ in model.named_parameters())


def test_weights_of_a_file_are_taken_for_other_classes(project):
    import timm

    torch.manual_seed(0)
    source = timm.create_model("resnet10t", num_classes=7, in_chans=1)
    torch.save({"state_dict": source.state_dict()}, project / "weights.pth")
    path = str(project / "weights.pth")
    model = registry.create_model("mel_timm", data=recordings(4), architecture="resnet10t", weights=path)
    network = model.model.network[1]
    assert torch.equal(network.layer1[0].conv1.weight, source.layer1[0].conv1.weight)
    assert network.fc.out_features == 4
    with pytest.raises(DataError, match="are not those of resnet18"):
        registry.create_model("mel_timm", data=recordings(4), architecture="resnet18", weights=path)
    (project / "text.pth").write_text("none")
    for name, said in (("text.pth", "holds no weights that can be read"), ("no.pth", "There is no file of weights")):
        with pytest.raises(DataError, match=said):
            registry.create_model("mel_timm", data=recordings(4), weights=str(project / name))


def test_recordings_that_a_published_network_does_not_read_are_refused():
    for name in ("ast", "audio_transformer"):
        with pytest.raises(ContractError) as refused:
            registry.create_model(name, data=recordings(rate=8_000, channels=2), **small(name))
        assert "recordings have 8000 samples a second, and it reads 16000" in str(refused.value)
        assert "dataset.sample_rate=16000 dataset.channels=1" in str(refused.value)
