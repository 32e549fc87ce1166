"""The settings of this package's models. Read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig

Rate = Annotated[float, Field(ge=0, lt=1)]
Level = Annotated[float, Field(gt=0, lt=1)]


class BaselineConfig(ComponentConfig):
    """A forecast that is not learned."""

    level: Level = 0.9
    """The share of values that an interval is to hold."""


class SeasonalNaiveConfig(BaselineConfig):
    """The value a season before."""

    season: PositiveInt | None = None
    """How many steps a season has; empty takes the data's."""


class ForecasterConfig(ComponentConfig):
    """What every network for forecasting takes."""

    loss: Literal["mse", "mae", "huber", "quantile", "normal", "student_t"] = "mse"
    """What is made small: an error, the pinball loss of some quantiles, or a negative log likelihood."""

    quantiles: tuple[Level, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    """With ``loss=quantile``: the levels that are learned, rising, 0.5 among them."""

    huber_delta: float = Field(default=1.0, gt=0)
    """With ``loss=huber``: the error up to which it is a square."""

    level: Level = 0.9
    """The share of values that an interval is to hold."""

    @model_validator(mode="after")
    def _that_is_used(self) -> ForecasterConfig:
        fields = type(self).model_fields
        for name, loss in (("quantiles", "quantile"), ("huber_delta", "huber")):
            if getattr(self, name) != fields[name].default and self.loss != loss:
                raise ValueError(f"{name} has an effect with loss={loss} only")
        if list(self.quantiles) != sorted(set(self.quantiles)) or 0.5 not in self.quantiles:
            raise ValueError(f"quantiles rise, and 0.5 is among them; not {list(self.quantiles)}")
        return self


class LinearConfig(ForecasterConfig):
    """A linear layer."""

    individual: bool = False
    """Whether each target has a layer of its own."""


class DLinearConfig(LinearConfig):
    """A linear layer for the trend and one for the rest."""

    kernel_size: Annotated[int, Field(ge=1, multiple_of=1)] = 25
    """The length of the moving average that is the trend, an odd number."""

    @model_validator(mode="after")
    def _odd(self) -> DLinearConfig:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {self.kernel_size} is even; a moving average has a middle: 25")
        return self


class PatchTSTConfig(ForecasterConfig):
    """A transformer over patches."""

    patch_size: PositiveInt = 16
    """How many steps make a patch."""

    patch_stride: PositiveInt = 8
    """How many steps lie between patches."""

    width: PositiveInt = 16
    """The length of a token."""

    depth: PositiveInt = 3
    """How many layers."""

    heads: PositiveInt = 4
    """How many attention heads."""

    feed_forward: PositiveInt = 128
    """The length of the hidden layer in each layer."""

    drop_rate: Rate = 0.3
    """Dropout of tokens, attention and feed-forward."""

    head_drop_rate: Rate = 0.0
    """Dropout before the head."""

    pad_end: bool = True
    """Whether a last patch is made by repeating the last value."""

    residual_attention: bool = True
    """Whether attention scores are added up from layer to layer."""

    @model_validator(mode="after")
    def _whole_heads(self) -> PatchTSTConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self
