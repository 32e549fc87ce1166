"""The Audio Spectrogram Transformer, as transformers has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from framework_plugins_audio.checkpoints import Checkpoint
from framework_plugins_audio.front_end.of_checkpoints import HOP, RATE, ASTFeatures
from framework_plugins_audio.front_end.spec_augment import SpecAugment
from framework_plugins_audio.model import BaseAudioModel
from framework_plugins_audio.models.pretrained_audio import (
    built,
    check_recordings,
    compute_again,
    config_of,
    configured,
    layers_of,
)

NAME = "audio-spectrogram-transformer"
"""What transformers calls the architecture."""

MEAN, DEVIATION = -4.2677393, 4.5689974
"""Of the log-mels of AudioSet, which a checkpoint was trained with where it says nothing else."""

SIZES = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
}
"""The settings of this package, and what transformers calls them."""


class AST(BaseAudioModel):
    """A transformer over patches of a spectrogram.

    Gong et al., AST: Audio Spectrogram Transformer, https://arxiv.org/abs/2104.01778. It reads recordings of 16 kHz
    with one channel; a checkpoint has a length of its own, to which they are filled up or cut.

    Args:
        width: The length of a token's vector, without a checkpoint.
        depth: How many layers, without a checkpoint.
        heads: How many attention heads, without a checkpoint.
        feed_forward: The length of the hidden dense layer, without a checkpoint.
        sizes: Whatever else the configuration takes, by transformers' names: ``patch_size``.
        checkpoint: A folder, or a name on the hub.
        revision: The commit, branch or tag on the hub.
        pretrained: Whether a checkpoint's weights are taken, and not its architecture alone.
        frequency_masks: SpecAugment's masks over bands, in training.
        frequency_mask_bands: How many bands each hides at most.
        time_masks: SpecAugment's masks over time, in training.
        time_mask_ms: How many milliseconds each hides at most; never more than half of a clip.
        **common: What every model of sound takes: ``loss``, ``label_smoothing`` ...

    Raises:
        ContractError: The recordings have another sampling rate, or several channels.
        DataError: The checkpoint cannot be read.
    """

    def __init__(
        self,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        feed_forward: int = 512,
        sizes: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        revision: str | None = None,
        pretrained: bool = True,
        frequency_masks: int = 0,
        frequency_mask_bands: int = 24,
        time_masks: int = 0,
        time_mask_ms: float = 100.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.sizes = {"width": width, "depth": depth, "heads": heads, "feed_forward": feed_forward}
        self.more_sizes = dict(sizes or {})
        self.checkpoint = None if checkpoint is None else Checkpoint(checkpoint, revision)
        self.pretrained = pretrained
        self.spec_augment = SpecAugment(
            band_masks=frequency_masks,
            bands=frequency_mask_bands,
            time_masks=time_masks,
            frames=round(time_mask_ms * RATE / 1000 / HOP),
            share=0.5,
        )

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """16 kHz, one channel."""
        return {"sample_rate": RATE, "channels": 1}

    def parameter_layers(self) -> Sequence[Sequence[str]]:
        """The embeddings, each layer, the classifier."""
        return layers_of(self, "model.network.audio_spectrogram_transformer.layers.")

    def enable_gradient_checkpointing(self) -> None:
        """As transformers does it."""
        compute_again(self.model.network)

    def _build_model(self) -> nn.Module:
        check_recordings(type(self).__name__, self.data, self.sample_rate)
        said: Mapping[str, Any] = {}
        if self.checkpoint is None:
            config = configured(NAME, self._sizes(), self.more_sizes)
        else:
            config = config_of(self.checkpoint, (NAME,))
            said = self.checkpoint.preprocessing()
        config.num_labels = self.data.num_outputs
        normalised = said.get("do_normalize", True)
        features = ASTFeatures(
            config.num_mel_bins,
            config.max_length,
            mean=said.get("mean", MEAN) if normalised else 0.0,
            deviation=said.get("std", DEVIATION) if normalised else 0.5,
            spec_augment=self.spec_augment,
        )
        return _Classifier(features, built(config, self.checkpoint, pretrained=self.pretrained))

    def _sizes(self) -> dict[str, Any]:
        """By transformers' names, and as many frames as clips have."""
        frames = max(16, 1 + max(0, self.clip_samples - 400) // HOP)
        return {**{SIZES[name]: value for name, value in self.sizes.items()}, "max_length": frames}


class _Classifier(nn.Module):
    def __init__(self, features: ASTFeatures, network: Any) -> None:
        super().__init__()
        self.features = features
        self.network = network

    def forward(self, waves: Tensor) -> Tensor:
        logits: Tensor = self.network(self.features(waves)).logits
        return logits
