"""How timm's architectures are trained: layers for fine-tuning, activations computed again."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.autograd.graph import saved_tensors_hooks

from framework_core import DataSpec, registry
from framework_core.errors import ContractError
from framework_core.training.layers import numbered_layers
from framework_core.training.optimization import groups_by_layer, parameter_groups
from framework_core.training.optimizer_settings import AdamW
from framework_plugins_vision.timm_catalogue import architectures

TOLD = (ContractError, RuntimeError, ValueError, IndexError, TypeError)
"""What the check before training says in words."""

MASKS = DataSpec(task="semantic-segmentation", input_shape=(3, 64, 64), class_names=("a", "b"))


def smallest_of_each_kind():
    """One architecture of each family and first word of the name."""
    kinds = {}
    for each in sorted(architectures(), key=lambda each: each.parameters or 0):
        kinds.setdefault((each.family, each.name.partition("_")[0]), each)
    return list(kinds.values())


def made_for(name):
    config = timm.get_pretrained_cfg(name)
    return tuple(config.input_size)[1:] if config is not None else (224, 224)


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "vgg11", "resnet20", "vit"]
)
def test_every_parameter_belongs_to_one_layer_and_the_classifier_to_the_last(name, data):
    model = registry.create_model(name, data=data())
    layers = model.parameter_layers()
    named = [parameter for layer in layers for parameter in layer]
    assert sorted(named) == sorted(name for name, _ in model.named_parameters())
    assert len(layers) > 3
    last = {tuple(dict(model.named_parameters())[parameter].shape) for parameter in layers[-1]}
    assert (7,) in last
    first = dict(model.named_parameters())[layers[0][0]]
    assert 3 in first.shape or first.ndim == 3


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_for_masks_the_decoder_is_the_head(name):
    model = registry.create_model(name, data=MASKS, decoder_width=16)
    layers = model.parameter_layers()
    assert all(name.startswith(("model.decoder", "model.head")) for name in layers[-1])
    assert all(name.startswith("model.encoder") for layer in layers[:-1] for name in layer)
    assert len(layers) > 3


@pytest.mark.catalogue
@pytest.mark.parametrize("part", range(8))
def test_an_encoder_of_each_kind_makes_masks_or_is_refused_in_words(part):
    """On the meta device, where the largest cost neither memory nor arithmetic."""
    untold, taken = {}, 0
    for each in smallest_of_each_kind()[part::8]:
        height, width = made_for(each.name)
        spec = MASKS.model_copy(update={"input_shape": (3, height, width)})
        try:
            with torch.device("meta"):
                outputs = registry.create_model(each.name, data=spec, decoder_width=16)(
                    torch.zeros(2, 3, height, width)
                )
            assert outputs.shape == (2, 2, height, width)
            taken += 1
        except TOLD:
            continue
        except Exception as error:  # noqa: BLE001  # all failures are wanted, not the first
            untold[each.name] = f"{type(error).__name__}: {error}"
    assert untold == {}
    assert taken > 25


def test_layers_have_their_own_rates_and_norms_no_decay(data):
    model = registry.create_model("test_vit", data=data())
    config = AdamW(name="adamw", lr=0.1, weight_decay=0.05)
    groups = groups_by_layer(parameter_groups(model, config), numbered_layers(model), 0.1, 0.5)
    assert groups[0]["lr"] == 0.1
    assert [group["lr"] for group in groups] == sorted((group["lr"] for group in groups), reverse=True)
    assert all(group.get("weight_decay") == 0.0 for group in groups if group["params"][0].ndim <= 1)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.parametrize("spec", ["classes", "masks"])
def test_activations_that_are_computed_again_are_not_kept_and_gradients_stay(spec, data):
    torch.manual_seed(0)
    given = data(height=64) if spec == "classes" else MASKS
    extra = {} if spec == "classes" else {"decoder_width": 16}
    model = registry.create_model("test_vit", data=given, **extra).eval()
    images = torch.randn(2, 3, 64, 64)

    def kept_and_gradient():
        kept = []
        model.zero_grad()
        with saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
            outputs = model.train()(images)
        outputs.square().mean().backward()
        return sum(kept), next(model.parameters()).grad.clone()

    plain, gradient = kept_and_gradient()
    model.enable_gradient_checkpointing()
    fewer, same = kept_and_gradient()
    assert fewer < 0.8 * plain
    torch.testing.assert_close(same, gradient)


def test_an_architecture_that_cannot_compute_again_says_so(data):
    with pytest.raises(ContractError, match="cannot compute activations again"):
        registry.create_model("vgg11", data=data()).enable_gradient_checkpointing()
