import pytest
from torch import nn

from framework_core import BaseModel, DataSpec, register_dataset, register_model, registry
from framework_core.errors import (
    AmbiguousNameError,
    ConfigError,
    ContractError,
    ImportTargetError,
    MissingPackageError,
    UnknownNameError,
)

DATA = DataSpec(task="tabular-classification", input_shape=(4,), class_names=("a", "b"))


def test_a_decorated_model_is_created_by_its_name():
    @register_model("my_model", summary="mine")
    class MyModel(BaseModel):
        def __init__(self, width: int = 8, **kwargs):
            super().__init__(**kwargs)
            self.width = width

        def _build_model(self):
            return nn.Linear(self.data.input_shape[0], self.width)

    config = {"width": 3}
    model = registry.create_model("my_model", data=DATA, **config)
    assert isinstance(model, MyModel)
    assert model.model.out_features == 3
    spec = registry.catalogue.get("model", "my_model").spec
    assert spec.summary == "mine"


def test_a_decorated_dataset_is_created_by_its_name():
    @register_dataset("my_data")
    class MyData:
        def __init__(self, size: int = 3):
            self.size = size

    assert registry.create_dataset("my_data", size=5).size == 5


def test_settings_of_create_model_are_checked():
    @register_model("checked")
    class Checked(BaseModel):
        def __init__(self, width: int = 8, **kwargs):
            super().__init__(**kwargs)

    with pytest.raises(ConfigError) as caught:
        registry.create_model("checked", widht=3)
    assert caught.value.problems[0].near == ("width",)
    assert "fw info model checked" in str(caught.value)


def test_a_model_that_needs_data_says_so():
    @register_model("needs_data")
    class NeedsData(BaseModel):
        def _build_model(self):
            return nn.Linear(self.data.num_classes, 1)

    with pytest.raises(ContractError, match="created without data"):
        registry.create_model("needs_data")


def test_a_model_without_its_network_says_so():
    @register_model("empty")
    class Empty(BaseModel):
        pass

    with pytest.raises(ContractError, match="no method _build_model"):
        registry.create_model("empty")


def test_what_the_data_knows_reaches_a_plain_constructor():
    @register_model("plain")
    class Plain:
        def __init__(self, num_classes: int, channels: int = 7, input_shape=None):
            self.facts = (num_classes, channels, input_shape)

    data = DataSpec(task="image-classification", input_shape=(3, 8, 8), class_names=("a", "b"))
    assert registry.create_model("plain", data=data).facts == (2, 7, (3, 8, 8))
    assert registry.create_model("plain", data=data, num_classes=5).facts[0] == 5


def test_two_classes_of_one_program_cannot_share_a_name():
    register_model("shared")(type("First", (), {}))
    with pytest.raises(AmbiguousNameError):
        register_model("shared")(type("Second", (), {}))


def test_an_unknown_name_suggests_near_ones_and_the_listing():
    register_model("resnet_like")(type("R", (), {}))
    with pytest.raises(UnknownNameError) as caught:
        registry.create_model("resnet_lik")
    assert caught.value.near[0] == "resnet_like"
    assert "fw list models" in str(caught.value)


def offering(name):
    return (
        "from framework_core import hookimpl\nfrom framework_core.contracts import ModelSpec\n"
        f"@hookimpl\ndef register_components(): return [ModelSpec(name='same', builder='{name}:Model')]"
    )


def test_a_name_offered_twice_is_refused_naming_both_and_one_can_be_chosen(install):
    for name in ("one", "two"):
        install(f"dist-{name}", {f"{name}_plugin": offering(name)}, {"framework.plugins": {name: f"{name}_plugin"}})
    with pytest.raises(AmbiguousNameError) as caught:
        registry.catalogue.get("model", "same")
    assert caught.value.owners == ("dist-one", "dist-two")
    assert "dist-one:same or dist-two:same" in str(caught.value)
    assert registry.resolve("model", "dist-two:same").spec.builder == "two:Model"
    assert {"dist-one:same", "dist-two:same"} <= set(registry.catalogue.names("model"))


def test_offering_and_decorating_the_same_class_is_one_offer(install):
    code = "from framework_core import register_model\n@register_model('same')\nclass Model: pass"
    install("both", {"both_models": code}, {"framework.models": {"same": "both_models:Model"}})
    import importlib

    importlib.import_module("both_models")
    assert registry.catalogue.get("model", "same").distribution == "both"


def test_an_unknown_name_of_a_known_owner_is_unknown_and_not_imported(install):
    install("dist-one", {"one_plugin": offering("one")}, {"framework.plugins": {"one": "one_plugin"}})
    with pytest.raises(UnknownNameError):
        registry.resolve("model", "dist-one:other")


def test_a_component_that_requires_what_is_missing_says_what_to_install(install):
    code = offering("one").replace("builder='one:Model'", "builder='one:Model', requires=('not-there>=2',)")
    install("needy", {"needy_plugin": code}, {"framework.plugins": {"needy": "needy_plugin"}})
    with pytest.raises(MissingPackageError) as caught:
        registry.create_model("same")
    assert "pip install 'not-there>=2'" in str(caught.value)


def test_a_component_that_cannot_be_imported_says_why(install):
    install("lined", {"lined_models": "import not_there_at_all"}, {"framework.models": {"lined": "lined_models:M"}})
    with pytest.raises(ImportTargetError, match="it imports 'not_there_at_all', which is not installed"):
        registry.create_model("lined")
