from typing import Annotated, Literal

import pytest
from pydantic import Field

from framework_core.contracts import RunConfig, Section, TrainerConfig
from framework_core.contracts.validation import validated
from framework_core.errors import near_names


class Inner(Section):
    depth: int = Field(default=3, ge=1)
    names: list[str] = Field(default_factory=list)


class Outer(Section):
    inner: Inner = Inner()
    rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    mode: Literal["min", "max"] = "min"
    on: bool = False
    sizes: list[int] | int = 3
    tags: dict[str, str] = Field(default_factory=dict)


def problems(**values):
    settings, found = validated(Outer, values, prefix="top")
    assert (settings is None) == bool(found)
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"on": "perhaps"}, "top.on: must be true or false (given: 'perhaps')."),
        ({"rate": 2}, "top.rate: must be less than 1 (given: 2)."),
        ({"rate": "fast"}, "top.rate: must be a number (given: 'fast')."),
        ({"mode": "mix"}, "top.mode: must be one of 'min', 'max' (given: 'mix'). Did you mean min or max?"),
        ({"inner": {"depth": 0}}, "top.inner.depth: must be at least 1 (given: 0)."),
        ({"inner": {"depth": 1.5}}, "top.inner.depth: must be a whole number (given: 1.5)."),
        ({"inner": {"dpeth": 1}}, "top.inner.dpeth: there is no such setting. Did you mean top.inner.depth?"),
        ({"inner": 3}, "top.inner: must be a group of settings: top.inner.depth, top.inner.names (given: 3)."),
        ({"inner": {"names": ["a", 3]}}, "top.inner.names.1: must be text (given: 3)."),
        ({"sizes": "many"}, "top.sizes: must be a list or a whole number (given: 'many')."),
        ({"sizes": ["a"]}, "top.sizes.0: must be a whole number (given: 'a')."),
        ({"tags": {"a": 1}}, "top.tags.a: must be text (given: 1)."),
    ],
)
def test_a_problem_names_path_value_and_what_is_allowed(values, said):
    assert said in problems(**values)


def test_an_unknown_key_far_from_all_others_lists_them():
    assert problems(zzz=1) == ["top.zzz: there is no such setting; there are inner, mode, on, rate, sizes, tags."]


def test_all_problems_come_at_once():
    assert len(problems(on="x", rate=2, mode="y", zzz=1, inner={"depth": 0})) == 5


def test_trainer_settings_are_those_of_lightning():
    import inspect

    from lightning.pytorch import Trainer

    of_lightning = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert set(TrainerConfig.model_fields) == of_lightning - {"logger", "callbacks"}


def test_trainer_defaults_differ_from_lightning_only_where_said():
    import inspect

    from lightning.pytorch import Trainer

    defaults = {name: each.default for name, each in inspect.signature(Trainer.__init__).parameters.items()}
    differing = {name for name, field in TrainerConfig.model_fields.items() if field.default != defaults[name]}
    assert differing == {
        "strategy",
        "devices",
        "num_nodes",
        "max_epochs",
        "enable_checkpointing",
        "enable_progress_bar",
        "enable_model_summary",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"precision": "bf16-mixed"},
        {"precision": 16},
        {"devices": [0, 1]},
        {"devices": "auto"},
        {"max_time": "00:01:00:00"},
        {"max_time": {"hours": 2}},
        {"limit_train_batches": 0.5},
        {"limit_train_batches": 10},
        {"val_check_interval": 0.25},
        {"fast_dev_run": 3},
        {"deterministic": "warn"},
    ],
)
def test_trainer_takes_every_form_that_lightning_takes(values):
    settings = TrainerConfig(**values)
    for key, value in values.items():
        assert getattr(settings, key) == value
        assert type(getattr(settings, key)) is type(value)


def test_every_setting_is_described():
    def undescribed(settings_class, prefix=""):
        for name, field in settings_class.model_fields.items():
            if not field.description:
                yield f"{prefix}{name}"
            annotation = field.annotation
            if isinstance(annotation, type) and any(issubclass(annotation, each) for each in (Section, TrainerConfig)):
                yield from undescribed(annotation, f"{prefix}{name}.")

    assert list(undescribed(RunConfig)) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("resnt50", "resnet50"), ("RESNET50", "resnet50"), ("oen", "one"), ("vt", "vit"), ("zzz", None)],
)
def test_near_names_find_what_was_meant(typed, meant):
    near = near_names(typed, ["resnet50", "resnet18", "one", "vit", "efficientnet"])
    assert (near[0] if near else None) == meant
