"""Encoders of speech and a head that reads their mean: wav2vec 2.0, HuBERT, WavLM and Whisper of transformers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from framework_core.errors import ConfigError, ConfigProblem, ContractError
from framework_plugins_audio.checkpoints import Checkpoint
from framework_plugins_audio.front_end.of_checkpoints import HOP, RATE, WhisperFeatures, standardised
from framework_plugins_audio.front_end.real_span import real_span, span_mask
from framework_plugins_audio.model import BaseAudioModel
from framework_plugins_audio.models.pretrained_audio import (
    built,
    check_recordings,
    compute_again,
    config_of,
    configured,
    layers_of,
)

FAMILIES = ("wav2vec2", "hubert", "wavlm", "whisper")

ON_WAVES = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
}
OF_WHISPER = {
    "width": "d_model",
    "depth": "encoder_layers",
    "heads": "encoder_attention_heads",
    "feed_forward": "encoder_ffn_dim",
}
"""The settings of this package, and what transformers calls them."""

WHISPER_STEP = 2 * HOP
"""Samples between two vectors of Whisper's encoder."""

# Masks of theirs are drawn by NumPy, and layers left out get no gradient: neither can be repeated or shared exactly.
STEADY = {"apply_spec_augment": False, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
WITHOUT_DROPPED_LAYERS = {"layerdrop": 0.0, "encoder_layerdrop": 0.0}


class AudioTransformer(BaseAudioModel):
    """The encoder of a model of speech, and a head that reads the mean of its vectors.

    wav2vec 2.0 (Baevski et al., https://arxiv.org/abs/2006.11477), HuBERT (Hsu et al., https://arxiv.org/abs/2106.07447),
    WavLM (Chen et al., https://arxiv.org/abs/2110.13900) and Whisper (Radford et al., https://arxiv.org/abs/2212.04356),
    each with the input that it was trained with: 16 kHz, one channel. The head is that of SUPERB (Yang et al.,
    https://arxiv.org/abs/2105.01051). Masks inside the network and layers that are left out at random are off.

    Args:
        architecture: Which, with random weights.
        width: The length of a token's vector, without a checkpoint.
        depth: How many layers, without a checkpoint.
        heads: How many attention heads, without a checkpoint.
        feed_forward: The length of the hidden dense layer, without a checkpoint.
        conv_width: The channels of the convolutions on the wave, without a checkpoint.
        sizes: Whatever else the configuration takes, by transformers' names.
        checkpoint: A folder, or a name on the hub.
        revision: The commit, branch or tag on the hub.
        pretrained: Whether a checkpoint's weights are taken, and not its architecture alone.
        freeze: What is not learned: ``none``, the convolutions on the wave (``features``), or all but the head
            (``encoder``).
        weighted_layers: Whether the head reads a sum of all layers, with weights that are learned.
        pool: Whether the head takes the mean of the ``real`` vectors of a clip, or of ``all``, with those of padding.
        **common: What every model of sound takes: ``loss``, ``label_smoothing`` ...

    Raises:
        ConfigError: There is nothing to freeze.
        ContractError: The recordings have another sampling rate, several channels, or are too long.
        DataError: The checkpoint cannot be read.
    """

    def __init__(
        self,
        architecture: str = "wav2vec2",
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        feed_forward: int = 512,
        conv_width: int = 128,
        sizes: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        revision: str | None = None,
        pretrained: bool = True,
        freeze: str = "none",
        weighted_layers: bool = False,
        pool: str = "real",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.architecture = architecture
        self.sizes = {"width": width, "depth": depth, "heads": heads, "feed_forward": feed_forward}
        self.conv_width = conv_width
        self.more_sizes = dict(sizes or {})
        self.checkpoint = None if checkpoint is None else Checkpoint(checkpoint, revision)
        self.pretrained = pretrained
        self.freeze_part = freeze
        self.weighted_layers = weighted_layers
        self.pool = pool

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """16 kHz, one channel."""
        return {"sample_rate": RATE, "channels": 1}

    def parameter_layers(self) -> Sequence[Sequence[str]]:
        """What comes before the layers, each layer, the head."""
        network: Any = self.model.network
        inner = "" if network.config.model_type == "whisper" else f"{network.base_model_prefix}."
        return layers_of(self, f"model.network.{inner}encoder.layers.")

    def enable_gradient_checkpointing(self) -> None:
        """As transformers does it."""
        compute_again(self.model.network)

    def _build_model(self) -> nn.Module:
        check_recordings(type(self).__name__, self.data, self.sample_rate)
        said: Mapping[str, Any] = {}
        if self.checkpoint is None:
            config = configured(self.architecture, self._sizes(), self.more_sizes)
        else:
            config = config_of(self.checkpoint, FAMILIES)
            said = self.checkpoint.preprocessing()
        config.num_labels = self.data.num_outputs
        config.use_weighted_layer_sum = self.weighted_layers
        for name, value in {**STEADY, **WITHOUT_DROPPED_LAYERS}.items():
            if hasattr(config, name):
                setattr(config, name, value)
        self._check_length(config)
        network = built(config, self.checkpoint, pretrained=self.pretrained)
        self._freeze(network)
        return PooledEncoder(network, said, pool=self.pool, frozen=self.freeze_part == "encoder")

    def _sizes(self) -> dict[str, Any]:
        """By transformers' names, and as long as clips are."""
        if self.architecture == "whisper":
            own = {OF_WHISPER[name]: value for name, value in self.sizes.items()}
            return {**own, "max_source_positions": -(-self.clip_samples // WHISPER_STEP)}
        own = {ON_WAVES[name]: value for name, value in self.sizes.items()}
        convolutions = {"conv_dim": [self.conv_width] * 7}
        # Each group of the convolution that tells positions has a share of the vector.
        return {**own, **convolutions, "num_conv_pos_embedding_groups": math.gcd(16, self.sizes["width"])}

    def _check_length(self, config: Any) -> None:
        if config.model_type != "whisper":
            return
        most = config.max_source_positions * WHISPER_STEP
        if self.clip_samples > most:
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"clips last {self.clip_samples / RATE:g} s, and this Whisper reads {most / RATE:g} s"],
                next_step=f"Cut them: dataset.seconds={most / RATE:g}",
            )

    def _freeze(self, network: Any) -> None:
        if self.freeze_part == "encoder":
            for parameter in _encoder_of(network).parameters():
                parameter.requires_grad = False
        elif self.freeze_part == "features":
            if not hasattr(network, "freeze_feature_encoder"):
                what = "Whisper has no convolutions on the wave; all but the head is freeze=encoder"
                raise ConfigError([ConfigProblem("model.freeze", what, value="features")])
            network.freeze_feature_encoder()


def _encoder_of(network: Any) -> Any:
    return network.encoder if network.config.model_type == "whisper" else network.base_model


class PooledEncoder(nn.Module):
    """Waves to the outputs of a network of ``AutoModelForAudioClassification``.

    Args:
        network: The network: an encoder, ``projector`` and ``classifier``.
        said: The checkpoint's ``preprocessor_config.json``.
        pool: ``real`` for the mean over the vectors of the clip, ``all`` for that of all.
        frozen: Whether nothing random happens in the encoder, even in training.
    """

    def __init__(self, network: Any, said: Mapping[str, Any], *, pool: str, frozen: bool) -> None:
        super().__init__()
        self.network = network
        self.pool = pool
        self.frozen = frozen
        config = network.config
        self.whisper = config.model_type == "whisper"
        self.features: WhisperFeatures | None = None
        if self.whisper:
            self.features = WhisperFeatures(config.num_mel_bins, 2 * config.max_source_positions)
        else:
            self.standardise = bool(said.get("do_normalize", True))
            # Networks with group normalisation were trained without a mask, those with layer normalisation with one.
            self.masked = bool(said.get("return_attention_mask", config.feat_extract_norm == "layer"))

    def forward(self, waves: Tensor) -> Tensor:
        """``(batch, 1, samples)`` to ``(batch, outputs)``."""
        if self.frozen:
            _encoder_of(self.network).eval()
        _, lengths = real_span(waves)
        found = self._encoded(waves, lengths)
        hidden = found.last_hidden_state
        if self.network.config.use_weighted_layer_sum:
            weights = self.network.layer_weights.softmax(dim=-1)
            hidden = (torch.stack(found.hidden_states, dim=1) * weights[:, None, None]).sum(dim=1)
        projected = self.network.projector(hidden)
        outputs: Tensor = self.network.classifier(self._mean(projected, lengths))
        return outputs

    def _encoded(self, waves: Tensor, lengths: Tensor) -> Any:
        more: dict[str, Any] = {"output_hidden_states": True} if self.network.config.use_weighted_layer_sum else {}
        if self.features is not None:
            return self.network.encoder(self.features(waves), **more)
        values = waves[:, 0]
        if self.standardise:
            values = standardised(values, lengths)
        if self.masked:
            more["attention_mask"] = span_mask(torch.zeros_like(lengths), lengths, values.shape[-1]).long()
        return self.network.base_model(values, **more)

    def _mean(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        if self.pool == "all":
            return vectors.mean(dim=1)
        steps = -(-lengths // WHISPER_STEP) if self.whisper else self._steps(lengths)
        mask = span_mask(torch.zeros_like(steps), steps.clamp(min=1), vectors.shape[1])[..., None].to(vectors.dtype)
        return (vectors * mask).sum(dim=1) / mask.sum(dim=1)

    def _steps(self, lengths: Tensor) -> Tensor:
        """How many vectors the convolutions make of so many samples."""
        found: Tensor = self.network._get_feat_extract_output_lengths(lengths)
        return found
