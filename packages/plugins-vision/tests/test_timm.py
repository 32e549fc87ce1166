"""timm's architectures through the adapter."""

from __future__ import annotations

import random

import pytest
import timm
import torch

from framework_core import registry
from framework_core.errors import ConfigError, ContractError
from framework_plugins_vision.models.timm_adapter import COLOURS_ONLY, TimmModel
from framework_plugins_vision.timm_catalogue import architectures

pytestmark = pytest.mark.drawn

TOLD = (ContractError, RuntimeError, ValueError, IndexError, TypeError, AssertionError)
"""What the check before training says in words."""


def small_ones(count, most=5_000_000):
    fitting = [each.name for each in architectures() if each.parameters and each.parameters < most]
    return sorted(random.Random(7).sample(fitting, count))


def groups(size=40):
    """Every architecture, in groups of one family each."""
    families = {}
    for each in architectures():
        families.setdefault(each.family, []).append(each)
    for family, members in families.items():
        for start in range(0, len(members), size):
            yield pytest.param(members[start : start + size], id=f"{family}-{start}" if start else family)


def smallest_of_each_kind():
    """One architecture of each family and first word of the name."""
    kinds = {}
    for each in sorted(architectures(), key=lambda each: each.parameters or 0):
        kinds.setdefault((each.family, each.name.partition("_")[0]), each)
    return list(kinds.values())


def made_for(name):
    config = timm.get_pretrained_cfg(name)
    return tuple(config.input_size)[1:] if config is not None else (224, 224)


@pytest.mark.some_of(4)
@pytest.mark.parametrize("name", small_ones(12))
def test_an_architecture_trains(name, data):
    torch.manual_seed(0)
    height, width = made_for(name)
    model = registry.create_model(name, data=data(height=height, width=width))
    loss = model.training_step((torch.randn(2, 3, height, width), torch.tensor([0, 6])), 0)
    loss.backward()
    assert torch.isfinite(loss)
    assert [key for key, each in model.named_parameters() if each.grad is None] == []
    assert model.eval()(torch.randn(1, 3, height, width)).shape == (1, 7)


@pytest.mark.catalogue
@pytest.mark.parametrize("members", list(groups()))
def test_every_architecture_gives_a_logit_for_each_class_of_grey_images(members, data):
    """On the meta device, where the largest cost neither memory nor arithmetic."""
    failed = {}
    for each in members:
        height, width = made_for(each.name)
        try:
            with torch.device("meta"):
                shape = (3 if each.name in COLOURS_ONLY else 1, height, width)
                outputs = TimmModel(each.name, data=data(*shape))(torch.zeros(2, *shape))
            if outputs.shape != (2, 7) or not outputs.requires_grad:
                failed[each.name] = f"gives {tuple(outputs.shape)}"
        except Exception as error:  # noqa: BLE001  # all failures are wanted, not the first
            failed[each.name] = f"{type(error).__name__}: {error}"
    assert failed == {}


@pytest.mark.catalogue
@pytest.mark.filterwarnings("ignore:CSATv2 is designed for 3-channel")
@pytest.mark.parametrize("part", range(8))
def test_small_images_are_taken_or_refused_in_words(part, data):
    untold = {}
    for each in smallest_of_each_kind()[part::8]:
        try:
            with torch.device("meta"):
                TimmModel(each.name, data=data(1, 32))(torch.zeros(2, 1, 32, 32))
        except TOLD:
            continue
        except Exception as error:  # noqa: BLE001  # all failures are wanted, not the first
            untold[each.name] = f"{type(error).__name__}: {error}"
    assert untold == {}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 32, 2), (3, 64, 7), (4, 96, 3)])
def test_classes_channels_and_size_are_those_of_the_data(name, channels, size, classes, data):
    model = registry.create_model(name, data=data(channels, size, classes=classes)).eval()
    with torch.inference_mode():
        assert model(torch.randn(2, channels, size, size)).shape == (2, classes)


@pytest.mark.parametrize("name", ["mobilenetv5_300m_enc", "qwen3_vit_88m_enc"])
def test_an_encoder_is_given_a_classifier(name, data):
    """Of maps and of tokens; on the meta device, because there is no small one."""
    size = made_for(name)
    with torch.device("meta"):
        outputs = TimmModel(name, data=data(3, *size))(torch.zeros(2, 3, *size))
    assert outputs.shape == (2, 7)


def test_without_data_it_is_timms_own():
    assert registry.create_model("test_resnet").model.num_classes == 1000


def test_a_size_that_is_not_square_is_taken(data):
    model = registry.create_model("test_vit", data=data(3, 64, 96)).eval()
    assert model(torch.randn(1, 3, 64, 96)).shape == (1, 7)


def test_parameters_of_timm_reach_the_network(data):
    model = registry.create_model(
        "test_vit",
        data=data(),
        drop_rate=0.25,
        drop_path_rate=0.5,
        global_pool="avg",
        args={"depth": 2, "embed_dim": 32},
    ).model
    assert model.head_drop.p == 0.25
    assert model.blocks[-1].drop_path1.drop_prob == 0.5
    assert model.global_pool == "avg"
    assert len(model.blocks) == 2
    assert model.embed_dim == 32


def test_they_are_set_on_the_command_line(fw):
    words = ("model=test_vit", "model.drop_rate=0.25", "model.args.depth=2", "model.img_size=[32,32]")
    shown = fw("config", "show", *words)
    assert shown.code == 0, shown.err
    for line in ("drop_rate: 0.25", "depth: 2", "img_size:"):
        assert line in shown.out


@pytest.mark.some_of(4)
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("model.drop_rat=0.1", "Did you mean model.drop_rate"),
        ("model.drop_rate=1.5", "model.drop_rate: must be less than 1 (given: 1.5)"),
        ("model.pretrained=r160_in1", "Near it: r160_in1k."),
        ("model.args.drop_rat=0.1", "Did you mean model.args.drop_rate"),
        ("model.args.nonsense=1", "model.args.nonsense: test_resnet takes no such parameter in timm"),
        ("model.img_size=64", "model.img_size: test_resnet takes no such parameter in timm"),
        ("model.global_pool=nonsense", "nonsense"),
        ("model.args.layers=5", "The model 'test_resnet' cannot be built"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(setting, said, train, project):
    done = train("--model", "test_resnet", "--dataset", "digits", setting)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (project / "runs").exists()


def test_a_parameter_that_another_architecture_has_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"model\.drop_path_rate: vgg11 takes no such parameter in timm"):
        registry.create_model("vgg11", drop_path_rate=0.1)


@pytest.mark.filterwarnings("ignore:CSATv2 is designed for 3-channel")
def test_an_architecture_for_colours_refuses_grey_images(train):
    done = train("--model", "csatv2", "--dataset", "digits")
    assert done.code == 2
    assert "the data has 1 channels, the model takes 3" in done.err
    assert "dataset.channels=3" in done.err


def test_an_image_that_is_too_small_is_told_with_a_size_that_fits(train):
    done = train("--model", "crossvit_tiny_240", "--dataset", "digits")
    assert done.code == 2
    assert "crossvit_tiny_240 was made for 240x240: dataset.image_size=240" in done.err
    assert "Traceback" not in done.err
