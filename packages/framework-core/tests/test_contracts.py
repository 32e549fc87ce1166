import pytest
from pydantic import ValidationError

from framework_core.contracts import (
    BatchSummary,
    DataContract,
    DataSpec,
    IConfigurable,
    ISerializable,
    ITrainable,
    ModelContract,
    ModelSpec,
)

DIGITS = DataSpec(task="image-classification", input_shape=(1, 32, 32), class_names=tuple("0123456789"))


def batch(**facts):
    usual = {
        "input_shape": (8, 1, 32, 32),
        "input_dtype": "float32",
        "target_shape": (8,),
        "target_dtype": "int64",
        "target_min": 0,
        "target_max": 9,
    }
    return BatchSummary(**{**usual, **facts})


def test_data_spec_derives_classes_and_channels():
    assert (DIGITS.num_classes, DIGITS.channels) == (10, 1)


def test_data_spec_without_a_shape_has_no_channels():
    with pytest.raises(ValueError, match="no input shape"):
        _ = DataSpec(task="forecasting").channels


@pytest.mark.parametrize("facts", [{"task": "Image Classification"}, {"input_shape": (0, 3)}, {"shape": (1,)}])
def test_data_spec_refuses_what_it_cannot_mean(facts):
    with pytest.raises(ValidationError):
        DataSpec(**{"task": "image-classification", **facts})


def test_data_spec_survives_being_saved():
    assert DataSpec.model_validate_json(DIGITS.model_dump_json()) == DIGITS


def test_specs_are_frozen_and_refuse_unknown_fields():
    spec = ModelSpec(name="m", builder="a.b:C")
    with pytest.raises(ValidationError):
        spec.name = "n"
    with pytest.raises(ValidationError, match="extra"):
        ModelSpec(name="m", builder="a.b:C", sumary="typo")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "../x", "-m"])
def test_a_name_is_something_one_can_type(name):
    with pytest.raises(ValidationError):
        ModelSpec(name=name, builder="a.b:C")


@pytest.mark.parametrize("builder", ["a.b", "a.b:", ":C", "a b:C", "a.py:C d"])
def test_a_builder_is_an_import_target(builder):
    with pytest.raises(ValidationError):
        ModelSpec(name="m", builder=builder)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tasks": ("forecasting",)}, "the data is for image-classification, the model learns forecasting"),
        ({"channels": (3, 4)}, "the data has 1 channels, the model takes 3 or 4"),
        ({"size": (224, 224)}, "the data has size 32x32, the model takes 224x224 only"),
        ({"min_size": (64, 64)}, "the data has size 32x32, the model takes 64x64 or more"),
        ({"multiple_of": 5}, "the data has size 32x32, the model takes multiples of 5"),
        ({"min_classes": 11}, "the data has 10 classes, the model needs 11 or more"),
    ],
)
def test_model_contract_says_what_does_not_fit(asked, said):
    assert ModelContract(**asked).check(DIGITS) == [said]


def test_model_contract_that_asks_for_nothing_takes_everything():
    assert ModelContract().check(DIGITS) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, None),
        ({"input_shape": (8, 3, 32, 32)}, "a sample has shape 3x32x32, the data was said to have 1x32x32"),
        ({"input_dtype": "uint8"}, "inputs are uint8, the data was said to be float32"),
        ({"inputs_finite": False}, "inputs hold NaN or infinite values"),
        ({"target_shape": (7,)}, "a batch has 8 inputs and (7,) targets"),
        ({"target_dtype": "float32"}, "labels are float32; a label is an int64 index of a class, 0 to 9"),
        ({"target_max": 10}, "labels run from 0 to 10, but 10 classes have labels 0 to 9"),
        ({"target_min": -1}, "labels run from -1 to 9, but 10 classes have labels 0 to 9"),
    ],
)
def test_data_contract_holds_a_batch_against_what_was_said(facts, said):
    assert DataContract(data=DIGITS).check(batch(**facts)) == ([said] if said else [])


@pytest.mark.parametrize(
    ("said", "facts", "found"),
    [
        ({"class_names": ("a", "b"), "target_dtype": "float32", "target_shape": (2,)}, {}, []),
        (
            {"class_names": ("a", "b"), "target_dtype": "float32", "target_shape": (2,)},
            {"target_max": 3},
            ["targets run from 0 to 3; a class has 1 where a sample has it, and 0 where not"],
        ),
        (
            {"class_names": ("a", "b"), "target_dtype": "float32", "target_shape": (2,)},
            {"target_dtype": "int64"},
            ["targets are int64, the data was said to have float32"],
        ),
        (
            {"target_names": ("width", "age"), "target_dtype": "float32", "target_shape": (2,)},
            {"target_min": -4, "target_shape": (8,)},
            ["a target has shape a single number, the data was said to have 2"],
        ),
        (
            {"target_names": ("width", "age"), "target_dtype": "float32"},
            {"targets_finite": False},
            ["targets hold NaN or infinite values"],
        ),
        (
            {"class_names": ("a", "b"), "target_shape": (32, 32), "ignore_index": 255},
            {"target_dtype": "int64", "target_shape": (8, 16, 16)},
            ["a target has shape 16x16, the data was said to have 32x32"],
        ),
    ],
)
def test_targets_that_are_no_label_are_held_against_what_was_said(said, facts, found):
    data = DataSpec(task="regression", input_shape=(1, 32, 32), **said)
    given = {"target_shape": (8, 2), "target_dtype": "float32", "target_min": 0, "target_max": 1, **facts}
    assert DataContract(data=data).check(batch(**given)) == found


def test_outputs_are_one_a_class_or_one_a_target():
    assert DataSpec(task="regression", target_names=("width", "age")).num_outputs == 2
    assert DIGITS.num_outputs == DIGITS.num_classes == 10
    assert DataSpec(task="language-model").num_outputs == 0


def test_base_classes_fulfil_the_protocols():
    from framework_core import BaseDataModule, BaseModel

    for protocol in (ITrainable, ISerializable, IConfigurable):
        assert isinstance(BaseModel.__new__(BaseModel), protocol)
    assert isinstance(BaseDataModule(), IConfigurable)


def test_any_lightning_module_is_trainable_and_a_plain_object_is_not():
    from lightning.pytorch import LightningModule

    assert isinstance(LightningModule(), ITrainable)
    assert not isinstance(object(), ITrainable)
