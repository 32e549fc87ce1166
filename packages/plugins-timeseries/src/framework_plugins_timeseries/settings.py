"""The settings of this package's models. Read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

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


class ITransformerConfig(ForecasterConfig):
    """A transformer whose tokens are whole series."""

    width: PositiveInt = 128
    """The length of a token."""

    depth: PositiveInt = 2
    """How many layers."""

    heads: PositiveInt = 8
    """How many attention heads."""

    feed_forward: PositiveInt = 128
    """The length of the hidden layer in each layer."""

    drop_rate: Rate = 0.1
    """Dropout of tokens, attention and feed-forward."""

    @model_validator(mode="after")
    def _whole_heads(self) -> ITransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class NBeatsConfig(ForecasterConfig):
    """Blocks that each explain a part."""

    basis: Literal["generic", "interpretable"] = "generic"
    """Whether a block's functions of time are learned, or a polynomial and Fourier series."""

    stacks: PositiveInt = 30
    """How many stacks, for ``basis=generic``; the interpretable model has two."""

    blocks: PositiveInt = 1
    """How many blocks in each stack."""

    width: PositiveInt = 512
    """The length of the hidden layers."""

    layers: PositiveInt = 4
    """How many of them in a block."""

    degree: NonNegativeInt = 2
    """With ``basis=interpretable``: the degree of the trend's polynomial."""


class NHitsConfig(ForecasterConfig):
    """Blocks at different rates."""

    pooling: tuple[PositiveInt, ...] = (2, 2, 1)
    """The width of the pooling in each stack."""

    downsampling: tuple[PositiveInt, ...] = (4, 2, 1)
    """How many steps of the horizon share a knot, in each stack."""

    blocks: PositiveInt = 1
    """How many blocks in each stack."""

    width: PositiveInt = 512
    """The length of the hidden layers."""

    layers: PositiveInt = 2
    """How many of them in a block."""

    @model_validator(mode="after")
    def _as_many(self) -> NHitsConfig:
        if len(self.pooling) != len(self.downsampling) or not self.pooling:
            raise ValueError(
                f"pooling has {len(self.pooling)} stacks and downsampling {len(self.downsampling)}; each stack has both"
            )
        return self


class TSMixerConfig(ForecasterConfig):
    """Layers that mix steps and targets."""

    depth: PositiveInt = 2
    """How many layers."""

    hidden: PositiveInt = 64
    """The length of the hidden layer between targets."""

    drop_rate: Rate = 0.3
    """Dropout behind each fully connected layer."""


class TSMixerExtConfig(ForecasterConfig):
    """Layers that mix steps and features, with covariates."""

    depth: PositiveInt = 2
    """How many mixing layers."""

    width: PositiveInt = 64
    """How many features a step has between layers."""

    hidden: PositiveInt = 64
    """The length of the hidden layer between features."""

    series_embedding: NonNegativeInt = 8
    """The length of the vector that is learned of each series, where there are several; 0 learns none."""

    drop_rate: Rate = 0.1
    """Dropout behind each fully connected layer."""


class TiDEConfig(ForecasterConfig):
    """Dense layers over past and covariates."""

    hidden: PositiveInt = 256
    """The length of the hidden layers."""

    depth: PositiveInt = 2
    """How many dense blocks encode, and how many decode."""

    projected: PositiveInt = 4
    """The length of the projected covariates of a step."""

    decoded: PositiveInt = 8
    """The length of the decoded vector of a step."""

    temporal_hidden: PositiveInt = 64
    """The length of the hidden layer that reads a step."""

    drop_rate: Rate = 0.3
    """Dropout in each block."""

    revin: bool = True
    """Whether each window is put on a scale of its own, and its forecast back."""


class LSTMConfig(ForecasterConfig):
    """A recurrent network."""

    hidden: PositiveInt = 128
    """The length of the state."""

    depth: PositiveInt = 2
    """How many layers."""

    decoder_hidden: PositiveInt = 64
    """The length of the decoder's hidden layers."""

    drop_rate: Rate = 0.1
    """Dropout between layers."""


class TCNConfig(ForecasterConfig):
    """Causal convolutions."""

    hidden: PositiveInt = 64
    """How many channels."""

    kernel_size: PositiveInt = 3
    """How many steps a convolution sees."""

    depth: PositiveInt | None = None
    """How many blocks; empty takes as many as it takes to see the whole look-back."""

    decoder_hidden: PositiveInt = 64
    """The length of the decoder's hidden layers."""

    drop_rate: Rate = 0.1
    """Dropout behind each convolution."""


class TFTConfig(ForecasterConfig):
    """Gated layers, an LSTM and attention."""

    loss: Literal["mse", "mae", "huber", "quantile", "normal", "student_t"] = "quantile"
    """What is made small: an error, the pinball loss of some quantiles, or a negative log likelihood."""

    width: PositiveInt = 64
    """The length of every hidden vector."""

    heads: PositiveInt = 4
    """How many attention heads."""

    drop_rate: Rate = 0.1
    """Dropout in each gated layer."""

    series_embedding: bool = True
    """Whether the series itself is a static covariate, where there are several."""

    @model_validator(mode="after")
    def _whole_heads(self) -> TFTConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class DeepARConfig(ComponentConfig):
    """A recurrent network that draws each step."""

    hidden: PositiveInt = 40
    """The length of the state."""

    depth: PositiveInt = 2
    """How many layers."""

    samples: PositiveInt = 100
    """How many paths are drawn for a forecast."""

    drop_rate: Rate = 0.1
    """Dropout between layers."""

    series_embedding: NonNegativeInt = 20
    """The length of the vector that is learned of each series, where there are several; 0 learns none."""

    level: Level = 0.9
    """The share of values that an interval is to hold; 0.95 at most, as far as the sampled quantiles reach."""

    @model_validator(mode="after")
    def _within_reach(self) -> DeepARConfig:
        if self.level > 0.95:
            raise ValueError(f"level {self.level} is more than 0.95, as far as the quantiles of sampled paths reach")
        return self


class ClassifierConfig(ComponentConfig):
    """What every model of classes takes."""

    label_smoothing: Rate = 0.0
    """The share of a label that training spreads over all classes."""


class InceptionTimeConfig(ClassifierConfig):
    """Convolutions of several lengths side by side."""

    networks: PositiveInt = 5
    """How many networks are averaged."""

    depth: PositiveInt = 6
    """How many modules each has; every third closes a residual."""

    filters: PositiveInt = 32
    """How many filters each convolution has."""

    bottleneck: PositiveInt = 32
    """How many channels a module's input is brought to."""

    kernel_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (40, 20, 10)
    """The lengths of the convolutions."""


class MiniRocketConfig(ClassifierConfig):
    """Fixed convolutions and a linear model."""

    features: Annotated[int, Field(ge=84)] = 10_000
    """How many features there are, about."""

    classifier: Literal["ridge", "softmax"] = "ridge"
    """What reads them: ridge regression, solved at once; or a linear layer, trained by steps, for large sets."""

    kernel_seed: NonNegativeInt = 0
    """Decides the channels of kernels, and the training series that biases are told from."""

    @model_validator(mode="after")
    def _that_is_used(self) -> MiniRocketConfig:
        if self.label_smoothing and self.classifier == "ridge":
            raise ValueError("label_smoothing has an effect with classifier=softmax only")
        return self


class PatchTSTClassifierConfig(ClassifierConfig):
    """A transformer over patches, for classes."""

    patch_size: PositiveInt = 16
    """How many steps make a patch."""

    patch_stride: PositiveInt = 8
    """How many steps lie between patches."""

    width: PositiveInt = 64
    """The length of a token."""

    depth: PositiveInt = 3
    """How many layers."""

    heads: PositiveInt = 4
    """How many attention heads."""

    feed_forward: PositiveInt = 128
    """The length of the hidden layer in each layer."""

    drop_rate: Rate = 0.1
    """Dropout of tokens, attention and feed-forward."""

    head_drop_rate: Rate = 0.0
    """Dropout before the head."""

    pad_end: bool = True
    """Whether a last patch is made by repeating the last value."""

    residual_attention: bool = True
    """Whether attention scores are added up from layer to layer."""

    @model_validator(mode="after")
    def _whole_heads(self) -> PatchTSTClassifierConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class AutoencoderConfig(ComponentConfig):
    """What every network takes that gives its window again."""

    loss: Literal["mse", "mae", "huber"] = "mse"
    """Which error is made small."""

    huber_delta: float = Field(default=1.0, gt=0)
    """With ``loss=huber``: the error up to which it is a square."""

    normalize: Literal["none", "standard"] = "none"
    """Whether each window has a scale of its own, for series that drift; one that is off as a whole is not seen."""

    @model_validator(mode="after")
    def _that_is_used(self) -> AutoencoderConfig:
        if self.huber_delta != type(self).model_fields["huber_delta"].default and self.loss != "huber":
            raise ValueError("huber_delta has an effect with loss=huber only")
        return self


class LSTMAutoencoderConfig(AutoencoderConfig):
    """A recurrent network that gives its window again."""

    hidden: PositiveInt = 64
    """The length of the state."""


class TCNAutoencoderConfig(AutoencoderConfig):
    """A convolutional network that gives its window again."""

    hidden: PositiveInt = 32
    """How many channels."""

    kernel_size: PositiveInt = 5
    """How many steps a convolution sees."""

    depth: PositiveInt = 4
    """How many convolutions there are before the narrow place, and behind it."""

    narrow: PositiveInt = 4
    """How many channels the narrow place has."""

    pool: PositiveInt = 4
    """How many steps are averaged there."""

    drop_rate: Rate = 0.0
    """Dropout behind each convolution."""
