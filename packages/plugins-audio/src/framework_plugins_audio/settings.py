"""The settings of this package's models. Read without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig

Share = Annotated[float, Field(ge=0, lt=1)]
Loss = Literal["cross_entropy", "bce", "mse", "l1", "huber"]


class AudioModelConfig(ComponentConfig):
    """What every model of sound takes; what makes no sense for the data's task is refused when the data is known."""

    loss: Loss | None = None
    """What is made small; empty takes the task's own: cross_entropy, bce for tags, mse for numbers."""

    label_smoothing: Share = 0.0
    """The share of a label that is spread over all classes (https://arxiv.org/abs/1512.00567, section 7)."""

    bce_threshold: float | None = Field(default=None, ge=0, lt=1)
    """With ``loss=bce``: a share of a class above it counts as the whole class, any other as none."""

    huber_delta: float = Field(default=1.0, gt=0)
    """With ``loss=huber``: the error up to which it is a square."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """With tags: the probability from which a recording has one, in F1 and in predictions."""

    stream_threshold: float = Field(default=0.5, gt=0, lt=1)
    """The probability from which ``fw predict --stream`` tells of a sound."""


class M5Config(AudioModelConfig):
    """Convolutions on the waveform."""

    width: PositiveInt = 128
    """Channels of the first convolution; the last has four times as many."""

    dropout: Share = 0.0
    """The share of the last features that training leaves out."""


class FrontEndConfig(ComponentConfig):
    """How a wave becomes what a network of spectrograms reads."""

    features: Literal["log_mel", "mel", "mfcc", "pcen"] = "log_mel"
    """The logarithm of the power in mel bands, the power itself, cepstral coefficients, or the power normalised by what
    it was lately (https://arxiv.org/abs/1607.05666)."""

    n_mels: PositiveInt = 40
    """How many mel bands."""

    n_mfcc: PositiveInt | None = None
    """With ``features=mfcc``: how many coefficients; empty takes as many as there are bands."""

    window_ms: float = Field(default=25.0, gt=0)
    """The length of a frame, in milliseconds."""

    hop_ms: float = Field(default=10.0, gt=0)
    """The time between two frames, in milliseconds."""

    fmin: float = Field(default=0.0, ge=0)
    """Where the first band begins, in hertz."""

    fmax: float | None = Field(default=None, gt=0)
    """Where the last band ends, in hertz; empty takes half the sampling rate."""

    mel_scale: Literal["slaney", "htk"] = "slaney"
    """How wide bands are: by Slaney, as in librosa, or by HTK."""

    trainable_pcen: bool = False
    """With ``features=pcen``: whether smoothing, gain, bias and power of each band are learned."""

    normalization: Literal["clip", "band", "none"] = "clip"
    """Whether the features of a clip are divided by their own deviation, its mean taken off: of the whole clip, or of
    each band. Padding does not count, and is 0 afterwards."""

    frequency_masks: NonNegativeInt = 0
    """How many masks hide bands of a training clip (SpecAugment, https://arxiv.org/abs/1904.08779)."""

    frequency_mask_bands: PositiveInt = 8
    """How many bands each hides at most."""

    time_masks: NonNegativeInt = 0
    """How many masks hide frames of a training clip."""

    time_mask_ms: float = Field(default=100.0, gt=0)
    """How many milliseconds each hides at most; never more than half of a clip."""

    @model_validator(mode="after")
    def _that_is_used(self) -> FrontEndConfig:
        for name, wanted in (("n_mfcc", "mfcc"), ("trainable_pcen", "pcen")):
            if getattr(self, name) and self.features != wanted:
                raise ValueError(f"{name} has an effect with features={wanted} only")
        if self.n_mfcc is not None and self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc={self.n_mfcc} is more than the {self.n_mels} bands of n_mels")
        return self


class SpectralConfig(FrontEndConfig, AudioModelConfig):
    """A network on spectrograms."""


class DSCNNConfig(SpectralConfig):
    """Depthwise separable convolutions."""

    size: Literal["s", "m", "l"] = "s"
    """The authors' small, medium and large network."""

    dropout: Share = 0.0
    """The share of the last features that training leaves out."""


class BCResNetConfig(SpectralConfig):
    """Residual blocks that learn over time and are broadcast over frequencies."""

    tau: Annotated[float, Field(ge=0.25, multiple_of=0.25)] = 1.0
    """How many times wider than the smallest network; the authors' are 1, 1.5, 2, 3, 6 and 8."""

    dropout: Share = 0.1
    """The share of the channels of each block that training leaves out."""

    @model_validator(mode="after")
    def _five_parts(self) -> BCResNetConfig:
        if self._bands % 40:
            raise ValueError(
                f"each of its stages is split into five parts of the spectrum, so it reads 40 bands, 80 or 120, not "
                f"{self._bands}"
            )
        return self

    @property
    def _bands(self) -> int:
        return self.n_mfcc or self.n_mels


class MatchboxNetConfig(SpectralConfig):
    """Blocks of separable convolutions over time."""

    features: Literal["log_mel", "mel", "mfcc", "pcen"] = "mfcc"
    """What it reads; the authors' network reads 64 cepstral coefficients."""

    n_mels: PositiveInt = 64
    """How many mel bands."""

    blocks: PositiveInt = 3
    """How many residual blocks (B)."""

    sub_blocks: PositiveInt = 1
    """How many convolutions each has (R)."""

    width: PositiveInt = 64
    """How many channels they have (C)."""

    dropout: Share = 0.0
    """The share of the values of each convolution that training leaves out."""


class MelTimmConfig(SpectralConfig):
    """Any network of timm on spectrograms."""

    architecture: str = "resnet18"
    """Its name in timm."""

    n_mels: PositiveInt = 64
    """How many mel bands: the height of the picture."""

    pretrained: bool | str = False
    """Whether to start from weights that were trained on pictures: true, or the name of one set of them."""

    weights: str | None = None
    """A local file of weights to start from, .safetensors or .pth."""

    drop_rate: Share | None = None
    """Dropout before the classifier."""

    drop_path_rate: Share | None = None
    """Stochastic depth (https://arxiv.org/abs/1603.09382)."""

    args: dict[str, Any] = Field(default_factory=dict)
    """Any other parameter that the architecture takes in timm."""

    @model_validator(mode="after")
    def _one_start(self) -> MelTimmConfig:
        if self.pretrained and self.weights is not None:
            raise ValueError("model.pretrained and model.weights are two places to start from; set one of them")
        return self


class CheckpointConfig(AudioModelConfig):
    """A network of transformers: sizes of your own, or a checkpoint."""

    width: PositiveInt = 128
    """The length of a token's vector, without a checkpoint."""

    depth: PositiveInt = 4
    """How many layers, without a checkpoint."""

    heads: PositiveInt = 4
    """How many attention heads, without a checkpoint."""

    feed_forward: PositiveInt = 512
    """The length of the hidden dense layer, without a checkpoint."""

    sizes: dict[str, Any] = Field(default_factory=dict)
    """Whatever else the architecture's configuration takes, by its own names."""

    checkpoint: str | None = None
    """A folder with config.json and model.safetensors, or a name on the hub."""

    revision: str | None = None
    """The commit, branch or tag on the hub."""

    pretrained: bool = True
    """Whether a checkpoint's weights are taken, and not its architecture alone."""

    @model_validator(mode="after")
    def _whole_heads(self) -> CheckpointConfig:
        if self.checkpoint is None and self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    @model_validator(mode="after")
    def _of_a_checkpoint(self) -> CheckpointConfig:
        if self.checkpoint is None and self.revision is not None:
            raise ValueError("revision has an effect with a checkpoint only")
        if self.checkpoint is not None and self.sizes:
            raise ValueError("a checkpoint has its own sizes: sizes has an effect without one only")
        return self


class ASTConfig(CheckpointConfig):
    """A transformer over patches of a spectrogram."""

    frequency_masks: NonNegativeInt = 0
    """How many masks hide bands of a training clip (SpecAugment, https://arxiv.org/abs/1904.08779)."""

    frequency_mask_bands: PositiveInt = 24
    """How many bands each hides at most."""

    time_masks: NonNegativeInt = 0
    """How many masks hide frames of a training clip."""

    time_mask_ms: float = Field(default=100.0, gt=0)
    """How many milliseconds each hides at most; never more than half of a clip."""


class AudioTransformerConfig(CheckpointConfig):
    """The encoder of a model of speech."""

    architecture: Literal["wav2vec2", "hubert", "wavlm", "whisper"] = "wav2vec2"
    """Which, with random weights; a checkpoint has its own."""

    conv_width: PositiveInt = 128
    """The channels of the convolutions on the wave, without a checkpoint; of Whisper there are none."""

    freeze: Literal["none", "features", "encoder"] = "none"
    """What is not learned: nothing, the convolutions on the wave, or all but the head."""

    weighted_layers: bool = False
    """Whether the head reads a sum of all layers, with weights that are learned, and not the last."""

    pool: Literal["real", "all"] = "real"
    """Whether the head takes the mean of the steps of the clip, or with those of its padding."""
