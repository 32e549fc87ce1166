"""The networks of the package for small images."""

from __future__ import annotations

import pytest
import torch

from framework_core import registry
from framework_core.contracts.signature import parameters_of
from framework_core.errors import ConfigError, ContractError
from framework_core.plugins.catalogue import config_class, import_builder

SMALL = ("resnet20", "resnet32", "resnet44", "resnet56", "vit")
OURS = (*SMALL, "wide_resnet28_10")
LIGHT = {"wide_resnet28_10": {"depth": 10, "widen": 2}}
"""Settings that keep a network of many weights quick to run."""


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture
def build(data):
    def made(name, *, settings=None, **shape):
        return registry.create_model(name, data=data(**shape), **({**LIGHT.get(name, {})} | (settings or {})))

    return made


def step(model, *, batch=3):
    """One training step's loss, its gradients, and the shape of the outputs."""
    torch.manual_seed(0)
    images = torch.randn(batch, *model.data.input_shape)
    labels = torch.arange(batch) % model.data.num_classes
    loss = model.training_step((images, labels), 0)
    loss.backward()
    return loss


@pytest.mark.some_of(8)
@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 32, 32), (3, 32, 32), (3, 28, 28), (1, 64, 48)])
def test_one_logit_a_class_for_grey_and_coloured_images_of_any_size(name, channels, height, width, build):
    model = build(name, channels=channels, height=height, width=width).eval()
    with torch.inference_mode():
        assert model(torch.randn(2, channels, height, width)).shape == (2, 7)


@pytest.mark.parametrize("name", OURS)
def test_gradients_reach_every_parameter(name, build):
    model = build(name)
    loss = step(model)
    assert loss.ndim == 0
    still = [key for key, each in model.named_parameters() if each.grad is None or not each.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize("name", OURS)
def test_the_catalogue_says_how_many_parameters_it_has(name, data):
    with torch.device("meta"):
        model = registry.create_model(name, data=data(classes=10))
    assert parameters(model) == registry.resolve("model", name).spec.parameters


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85), ("wide_resnet28_10", 36.5)],
)
def test_it_has_as_many_parameters_as_in_its_paper(name, millions, data):
    """He et al., table 6; Zagoruyko and Komodakis, table 4."""
    with torch.device("meta"):
        model = registry.create_model(name, data=data(classes=10))
    digits = 1 if millions > 1 else 2
    assert round(parameters(model) / 1e6, digits) == pytest.approx(millions, abs=0.011)


def test_the_depth_counts_the_layers_with_weights(build):
    for depth in (20, 32, 44, 56):
        layers = [
            each for each in build(f"resnet{depth}").modules() if isinstance(each, torch.nn.Conv2d | torch.nn.Linear)
        ]
        assert len(layers) == depth


@pytest.mark.parametrize("name", ["resnet20", "vit", "wide_resnet28_10"])
def test_it_learns_a_handful_of_images_by_heart(name, build):
    torch.manual_seed(0)
    model = build(name, settings={"depth": 2} if name == "vit" else None, height=16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images, labels = torch.randn(7, *model.data.input_shape), torch.arange(7)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = model.training_step((images, labels), 0)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", OURS)
def test_defaults_are_those_of_the_constructor(name):
    offer = registry.resolve("model", name)
    settings = config_class(offer)(name=name).settings()
    taken = {parameter.name: parameter for parameter, _ in parameters_of(import_builder(offer))}
    assert settings.keys() == taken.keys() - {"data"}
    for key, value in settings.items():
        assert taken[key].default == value or key == "depth"


@pytest.mark.parametrize("name", ["digits", "image_folder"])
def test_defaults_of_a_dataset_are_those_of_the_constructor(name):
    offer = registry.resolve("dataset", name)
    given = {"path": "somewhere"} if name == "image_folder" else {}
    settings = config_class(offer)(name=name, **given).settings()
    taken = {parameter.name: parameter for parameter, _ in parameters_of(import_builder(offer))}
    assert settings.keys() == taken.keys()
    for key, value in settings.items():
        assert key == "path" or taken[key].default == value


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("resnet20", {"depth": 20}, "depth: there is no such setting"),
        ("wide_resnet28_10", {"depth": 29}, "depth: must be one of 10, 16, 22, 28, 34, 40"),
        ("wide_resnet28_10", {"widen": 0}, "widen: must be more than 0"),
        ("wide_resnet28_10", {"drop_rate": 1}, "drop_rate: must be less than 1"),
        ("vit", {"heads": 5}, "width 192 is not a multiple of heads 5"),
        ("vit", {"hedas": 4}, "Did you mean heads?"),
        ("vit", {"patch_size": "big"}, "patch_size: must be a whole number"),
    ],
)
def test_settings_that_cannot_be_are_refused(name, settings, said, data):
    with pytest.raises(ConfigError) as refused:
        registry.create_model(name, data=data(), **settings)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("builder", "depth"),
    [
        ("models.cifar_resnet:CifarResNet", 21),
        ("models.cifar_resnet:CifarResNet", 2),
        ("models.wide_resnet:WideResNet", 9),
    ],
)
def test_a_depth_that_is_no_depth_of_the_family_is_refused_in_python_too(builder, depth, data):
    from framework_core.plugins.targets import import_target

    with pytest.raises(ValueError, match=f"not {depth}"):
        import_target(f"framework_plugins_vision.{builder}")(depth, data=data())


def test_a_network_without_data_says_what_it_needs():
    with pytest.raises(ContractError, match=r"created without data[\s\S]*DataSpec"):
        registry.create_model("resnet20")


@pytest.mark.parametrize(("setting", "fits"), [("model.patch_size=4", True), ("model.patch_size=5", False)])
def test_patches_that_do_not_fit_the_image_are_told(setting, fits, train, project):
    done = train("--model", "vit", "--dataset", "digits", setting, "model.depth=1", "model.width=12", "--dry-run")
    assert done.code == (0 if fits else 2), done.err
    if not fits:
        assert "the data has size 32x32, the model takes multiples of 5" in done.err
        assert "another model.patch_size" in done.err
    assert not (project / "runs").exists()


def test_dropout_changes_training_and_not_evaluation(build):
    for name in ("vit", "wide_resnet28_10"):
        model = build(name, settings={"drop_rate": 0.5})
        images = torch.randn(4, 3, 32, 32)
        assert not torch.equal(model(images), model(images))
        model.eval()
        assert torch.equal(model(images), model(images))


def test_a_shortcut_takes_every_second_pixel_and_fills_new_channels_with_nothing():
    """With convolutions of zero a block is its shortcut."""
    from framework_plugins_vision.models.cifar_resnet import _Block

    block = _Block(4, 8, stride=2).eval()
    for convolution in (block.conv1, block.conv2):
        torch.nn.init.zeros_(convolution.weight)
    images = torch.rand(2, 4, 6, 6)
    out = block(images)
    torch.testing.assert_close(out[:, 2:6], images[:, :, ::2, ::2])
    assert not out[:, :2].any()
    assert not out[:, 6:].any()
