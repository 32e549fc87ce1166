import pytest

from framework_core.contracts.signature import accepts, config_from_signature
from framework_core.contracts.validation import validated


class Base:
    def __init__(self, *, batch_size: int = 64, data=None):
        self.batch_size = batch_size


class Child(Base):
    def __init__(self, width: int, name_of_layer: str = "x", rates: tuple[float, float] = (0.1, 0.2), **kwargs):
        super().__init__(**kwargs)


class Plain:
    def __init__(self, num_classes: int, hidden=3):
        self.num_classes = num_classes


def test_parameters_become_settings_through_the_base_classes():
    fields = config_from_signature(Child).model_fields
    assert list(fields) == ["name", "width", "name_of_layer", "rates", "batch_size"]
    assert fields["width"].is_required()
    assert fields["batch_size"].default == 64


def test_data_is_no_setting_but_is_accepted():
    assert "data" not in config_from_signature(Child).model_fields
    assert accepts(Child, "data")
    assert not accepts(Plain, "data")


def test_types_are_checked_and_unannotated_ones_are_not():
    settings, problems = validated(config_from_signature(Child), {"name": "c", "width": "wide"}, prefix="model")
    assert settings is None
    assert str(problems[0]) == "model.width: must be a whole number (given: 'wide')."
    settings, _ = validated(config_from_signature(Plain), {"name": "p", "hidden": [1, 2]}, prefix="model")
    assert settings.hidden == [1, 2]


def test_what_the_data_knows_need_not_be_set():
    settings = config_from_signature(Plain)(name="p")
    assert settings.num_classes is None


def test_a_function_will_do():
    def make(depth: int = 3):
        return depth

    assert config_from_signature(make)(name="f", depth=5).settings() == {"depth": 5}


def test_an_annotation_that_pydantic_cannot_check_is_left_alone():
    class Odd:
        def __init__(self, layer: "NotThere" = None, module: type(object()) = None):  # noqa: F821
            pass

    assert config_from_signature(Odd)(name="o", layer=3).layer == 3


@pytest.mark.parametrize("builder", [Child, Plain])
def test_unknown_settings_are_refused_with_the_nearest(builder):
    _, problems = validated(config_from_signature(builder), {"name": "c", "widht": 1, "hiden": 1}, prefix="model")
    near = {problem.path: problem.near for problem in problems}
    assert ("model.width",) in near.values() or ("model.hidden",) in near.values()
