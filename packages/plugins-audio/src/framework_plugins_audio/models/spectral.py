"""What networks on spectrograms have in common: the front end before them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from framework_core.errors import ContractError
from framework_plugins_audio.front_end.features import FrontEnd
from framework_plugins_audio.model import BaseAudioModel
from framework_plugins_audio.settings import FrontEndConfig

FRONT_END = tuple(FrontEndConfig.__annotations__)
"""The settings of the front end."""


class SpectralModel(BaseAudioModel):
    """A front end, and a network that reads its features ``(batch, channels, bands, frames)``.

    A subclass gives ``_build_network``.

    Args:
        **settings: Those of the front end (``features``, ``n_mels``, ``window_ms`` ...), and what every model of sound
            takes: ``loss``, ``label_smoothing`` ...
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{name: value for name, value in settings.items() if name not in FRONT_END})
        self.front_end_settings = {name: settings[name] for name in FRONT_END if name in settings}

    def _build_model(self) -> nn.Module:
        front_end = FrontEnd(self.sample_rate, **self.front_end_settings)
        network = self._build_network(self.data.channels, front_end.bands, front_end.count(self.clip_samples))
        return SpectralNetwork(front_end, network)

    def _build_network(self, channels: int, bands: int, frames: int) -> nn.Module:
        """The network behind the front end.

        Args:
            channels: Of the recordings.
            bands: Bands of a frame.
            frames: Frames of a clip.

        Raises:
            ContractError: A subclass has to give it.
        """
        name = type(self).__name__
        raise ContractError(
            f"The model {name} is not complete", ["it has no method _build_network, which returns the network"]
        )


class SpectralNetwork(nn.Module):
    """Waves to outputs.

    Args:
        front_end: Waves to features.
        network: Features to outputs.
    """

    def __init__(self, front_end: FrontEnd, network: nn.Module) -> None:
        super().__init__()
        self.front_end = front_end
        self.network = network

    def forward(self, waves: Tensor) -> Tensor:
        """``(batch, channels, samples)`` to ``(batch, outputs)``."""
        outputs: Tensor = self.network(self.front_end(waves))
        return outputs
