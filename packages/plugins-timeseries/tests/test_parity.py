"""The same weights in another library's network give the same forecast."""

from __future__ import annotations

import pytest
import torch

from framework_core import registry
from framework_plugins_timeseries.models.minirocket import Convolutions

pytestmark = pytest.mark.thorough

LOOK_BACK, HORIZON = 96, 24


@pytest.fixture
def spec(wide):
    module = registry.create_dataset("series_table", path=str(wide(steps=400, series=3)), look_back=96, horizon=24)
    module.setup("fit")
    return module.data_spec(), module.test_dataset.batch(torch.arange(5))[0]


def copy(theirs, ours):
    """Copy weight and bias of a linear or normalising layer."""
    ours.weight.data.copy_(theirs.weight.data)
    ours.bias.data.copy_(theirs.bias.data)


def test_patchtst_is_that_of_transformers(spec):
    """Without what only the authors' code has: attention scores that add up, and a patch made by padding."""
    transformers = pytest.importorskip("transformers")
    data, inputs = spec
    sizes = {"num_hidden_layers": 2, "d_model": 16, "num_attention_heads": 4, "ffn_dim": 32}
    settings = transformers.PatchTSTConfig(
        num_input_channels=3,
        context_length=LOOK_BACK,
        prediction_length=HORIZON,
        patch_length=16,
        patch_stride=8,
        **sizes,
        pooling_type=None,
        pre_norm=False,
        norm_type="batchnorm",
        scaling="std",
        loss="mse",
        use_cls_token=False,
        positional_encoding_type="random",
    )
    torch.manual_seed(0)
    theirs = transformers.PatchTSTForPrediction(settings)
    small = {"depth": 2, "width": 16, "heads": 4, "feed_forward": 32}
    ours = registry.create_model("patchtst", data=data, pad_end=False, residual_attention=False, **small)
    encoder, mine = theirs.model.encoder, ours.model.encoder
    copy(encoder.embedder.input_embedding, mine.embedding)
    mine.positions.data.copy_(encoder.positional_encoder.position_enc.data)
    for there, here in zip(encoder.layers, mine.layers, strict=True):
        attention = there.self_attn
        copy(attention.q_proj, here.attention.queries)
        copy(attention.k_proj, here.attention.keys)
        copy(attention.v_proj, here.attention.values)
        copy(getattr(attention, "out_proj", None) or attention.o_proj, here.attention.out[0])
        copy(there.ff[0], here.feed_forward[0])
        copy(there.ff[3], here.feed_forward[3])
        copy(there.norm_sublayer1.batchnorm, here.norm_attention)
        copy(there.norm_sublayer3.batchnorm, here.norm_feed_forward)
    copy(theirs.head.projection, ours.model.head[1])
    with torch.no_grad():
        expected = theirs.eval()(past_values=inputs).prediction_outputs
        found = ours.eval()(inputs).squeeze(-1)
    assert torch.allclose(found, expected, atol=1e-4)


def stacked(theirs, ours):
    """Copy the layers of a block of neuralforecast's; its first two have nothing between them, so they are one here."""
    linears = [layer for layer in theirs.layers if isinstance(layer, torch.nn.Linear)]
    mine = [layer for layer in ours.hidden if isinstance(layer, torch.nn.Linear)]
    first, second, *others = linears
    mine[0].weight.data.copy_(second.weight.data @ first.weight.data)
    mine[0].bias.data.copy_(second.weight.data @ first.bias.data + second.bias.data)
    for there, here in zip(others[:-1], mine[1:], strict=True):
        copy(there, here)
    return linears[-1]


def of_neuralforecast(model, inputs):
    """Its forecast for each target by itself."""
    series = inputs.transpose(1, 2).reshape(-1, LOOK_BACK)
    batch = {"insample_y": series.unsqueeze(-1), "insample_mask": torch.ones_like(series).unsqueeze(-1)}
    empty = {"futr_exog": None, "hist_exog": None, "stat_exog": None}
    return model.eval()({**batch, **empty}), series


def of_ours(model, series):
    """The same network's blocks on the reversed look-back, and the last value that neuralforecast begins from."""
    left = series.flip(-1)
    forecast = series[:, -1:, None].expand(-1, HORIZON, -1).clone()
    for block in model.eval().model.blocks:
        explained, part = block(left)
        left = left if explained is None else left - explained
        forecast = forecast + part
    return forecast


def test_nhits_is_that_of_neuralforecast(spec):
    """Which begins from the last value and reverses the look-back; the paper does neither, so the test does it."""
    models = pytest.importorskip("neuralforecast.models")
    data, inputs = spec
    torch.manual_seed(0)
    theirs = models.NHITS(h=HORIZON, input_size=LOOK_BACK, mlp_units=2 * [[32, 32]], max_steps=1)
    ours = registry.create_model("nhits", data=data, width=32)
    for there, here in zip(theirs.blocks, ours.model.blocks, strict=True):
        last = stacked(there, here)
        if here.back is not None:
            here.back.weight.data.copy_(last.weight.data[:LOOK_BACK])
            here.back.bias.data.copy_(last.bias.data[:LOOK_BACK])
        here.knots.weight.data.copy_(last.weight.data[LOOK_BACK:])
        here.knots.bias.data.copy_(last.bias.data[LOOK_BACK:])
    with torch.no_grad():
        expected, series = of_neuralforecast(theirs, inputs)
        assert torch.allclose(of_ours(ours, series), expected, atol=1e-4)


def test_nbeats_is_that_of_neuralforecast(spec):
    models = pytest.importorskip("neuralforecast.models")
    data, inputs = spec
    torch.manual_seed(0)
    theirs = models.NBEATS(
        h=HORIZON,
        input_size=LOOK_BACK,
        stack_types=["identity", "identity"],
        n_blocks=[1, 1],
        mlp_units=2 * [[32, 32]],
        max_steps=1,
    )
    layers = sum(isinstance(layer, torch.nn.Linear) for layer in theirs.blocks[0].layers) - 2
    ours = registry.create_model("nbeats", data=data, width=32, stacks=2, layers=layers)
    for there, here in zip(theirs.blocks, ours.model.blocks, strict=True):
        last = stacked(there, here)
        if here.basis.back is not None:
            here.basis.back.weight.data.copy_(last.weight.data[:LOOK_BACK])
            here.basis.back.bias.data.copy_(last.bias.data[:LOOK_BACK])
        here.basis.ahead.weight.data.copy_(last.weight.data[LOOK_BACK:])
        here.basis.ahead.bias.data.copy_(last.bias.data[LOOK_BACK:])
    with torch.no_grad():
        expected, series = of_neuralforecast(theirs, inputs)
        assert torch.allclose(of_ours(ours, series), expected, atol=1e-4)


def aeon_features(series, features):
    """Its transform after a fit on the first series, and what it fitted."""
    convolutions = pytest.importorskip("aeon.transformations.collection.convolution_based")
    theirs = convolutions.MiniRocket(n_kernels=features, random_state=0)
    theirs.fit(series[:1].numpy())
    return torch.from_numpy(theirs.transform(series.numpy())), theirs.parameters


@pytest.mark.parametrize("channels", [1, 4])
def test_minirocket_is_that_of_aeon(channels):
    """Dilations, biases told from one series, and features; where a kernel sees channels, the ones aeon has drawn."""
    generator = torch.Generator().manual_seed(0)
    series = torch.randn(5, channels, 60, generator=generator).cumsum(-1)
    features, (seen, indices, dilations, counts, biases) = aeon_features(series, 2_000)
    ours = Convolutions(channels, 60, 2_000, generator)
    assert (ours.dilations, ours.counts) == (dilations.tolist(), counts.tolist())
    ends = seen.cumsum().reshape(len(dilations), 84)
    for index in range(len(dilations)):
        weights = getattr(ours, f"weights_{index}")
        pattern = weights.amax(dim=1).where(weights.amax(dim=1) > 0, weights.amin(dim=1))
        for kernel in range(84):
            last = ends[index, kernel]
            weights[kernel] = 0
            weights[kernel, indices[last - seen[index * 84 + kernel] : last]] = pattern[kernel]
    ours.take_biases(series[:1], generator)
    found = torch.cat([getattr(ours, f"biases_{index}").flatten() for index in range(len(dilations))])
    assert torch.allclose(found, torch.from_numpy(biases), atol=1e-3)
    # A value that is its own bias may fall on either side of it.
    away = (ours(series) - features).abs() * 60
    assert float((away > 1.01).float().mean()) < 0.01
    assert float(away.mean()) < 0.05
