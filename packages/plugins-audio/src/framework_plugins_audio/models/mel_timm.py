"""Any network of timm on spectrograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
from timm.models import group_parameters
from torch import Tensor, nn
from torch.nn import functional

from framework_core.errors import ConfigError, ConfigProblem, ContractError, DataError, UnknownNameError, near_names
from framework_plugins_audio.models.spectral import SpectralModel
from framework_plugins_audio.weight_files import tensors_in

MULTIPLE = 32
"""The sides of the picture are filled up to a multiple of it, by which most networks divide them."""

OTHER_FILE = "Name another with model.weights=FILE (.safetensors or .pth)"
WITHOUT_HUB = "Without them: model.weights=FILE (.safetensors or .pth), or model.pretrained=false"


class MelTimm(SpectralModel):
    """A network of timm, Wightman, https://doi.org/10.5281/zenodo.4414861, that reads a spectrogram as a picture.

    The channels of the recording are those of the picture; its height are the bands, its width the frames, filled up
    with zeros to a multiple of 32.

    Args:
        architecture: Its name in timm.
        pretrained: Whether to start from weights that were trained on pictures, or the name of one set of them. The
            weights of three colours are added up for one channel.
        weights: A local file of weights to start from.
        drop_rate: Dropout before the classifier.
        drop_path_rate: Stochastic depth.
        args: Any other parameter that the architecture takes.
        **settings: Those of the front end, and what every model of sound takes: ``loss``, ``label_smoothing`` ...

    Raises:
        ConfigError: timm has no such architecture, or no weights of it.
        DataError: The weights cannot be read, or fetched.
    """

    def __init__(
        self,
        architecture: str = "resnet18",
        pretrained: bool | str = False,
        weights: str | None = None,
        drop_rate: float | None = None,
        drop_path_rate: float | None = None,
        args: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**{"n_mels": 64, **settings})
        self.architecture = architecture
        self.pretrained = pretrained
        self.weights = weights
        self.arguments = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate, **(args or {})}

    def parameter_layers(self) -> Sequence[Sequence[str]]:
        """The groups that timm has for it."""
        network, prefix = self._network(), "model.network.1."
        if not hasattr(network, "group_matcher"):
            return ()
        numbers: dict[str, int] = group_parameters(network, network.group_matcher(coarse=False), reverse=True)
        layers: list[list[str]] = [[] for _ in range(max(numbers.values()) + 1)]
        for name, number in numbers.items():
            layers[number].append(prefix + name)
        named = {prefix + name for name in numbers}
        # What the front end learns comes first.
        before = [name for name, _ in self.named_parameters() if name not in named]
        return [layer for layer in [before, *layers] if layer]

    def enable_gradient_checkpointing(self) -> None:
        """By timm's own means.

        Raises:
            ContractError: The architecture has none.
        """
        switch = getattr(self._network(), "set_grad_checkpointing", None)
        if switch is None:
            super().enable_gradient_checkpointing()
            return
        switch(True)

    def _build_network(self, channels: int, bands: int, frames: int) -> nn.Module:
        if not timm.is_model(self.architecture):
            near = near_names(self.architecture, timm.list_models())
            problem = ConfigProblem(
                "model.architecture", "timm has no such network", value=self.architecture, near=near
            )
            raise ConfigError([problem])
        picture = _Picture(bands, frames)
        arguments = {**self.arguments, "num_classes": self.data.num_outputs, "in_chans": channels}
        sized = {"img_size": (picture.height, picture.width), **arguments}
        try:
            network = self._started(sized)
        except _NoSuchParameterError:
            # Architectures that take any size, most convolutional ones, have no such parameter.
            network = self._started(arguments)
        return nn.Sequential(picture, network)

    def _network(self) -> Any:
        """The network of timm."""
        network: Any = self.model.network
        return network[1]

    def _started(self, arguments: dict[str, Any]) -> Any:
        if self.weights is not None:
            return self._from_file(Path(self.weights), arguments)
        if not self.pretrained:
            return self._created(self.architecture, arguments)
        name = self._full_name()
        try:
            return self._created(name, {**arguments, "pretrained": True})
        except (OSError, RuntimeError) as error:
            first = " ".join(str(error).split())[:200]
            raise DataError(
                f"The pretrained weights of {name} could not be downloaded: {type(error).__name__}: {first}",
                possible="They are taken from the cache where they were downloaded before.",
                next_step=WITHOUT_HUB,
            ) from error

    def _full_name(self) -> str:
        """With the name of the pretrained weights, where one was chosen."""
        name = self.architecture
        known = [each.partition(".")[2] for each in timm.list_pretrained(f"{name}.*")]
        if not known:
            problem = ConfigProblem("model.pretrained", f"timm has no pretrained weights of {name}", value=True)
            raise ConfigError([problem], next_step=WITHOUT_HUB)
        if not isinstance(self.pretrained, str):
            return name
        if self.pretrained not in known:
            raise UnknownNameError(f"set of weights of {name}", self.pretrained, known)
        return f"{name}.{self.pretrained}"

    def _from_file(self, path: Path, arguments: dict[str, Any]) -> Any:
        """Start from a file. For other classes timm would load whatever it finds there, so the file's come first."""
        state = tensors_in(path, next_step=OTHER_FILE)
        config = timm.get_pretrained_cfg(self.architecture)
        named = getattr(config, "classifier", None) or ()
        classifier = named if isinstance(named, str) else next(iter(named), "")
        weight = state.get(f"{classifier}.weight")
        classes = 0 if weight is None else weight.shape[0]
        overlay = {"state_dict": state, "num_classes": classes, "label_offset": 0}
        try:
            network = self._created(
                self.architecture,
                {**arguments, "num_classes": classes, "pretrained": True, "pretrained_cfg_overlay": overlay},
            )
        except (RuntimeError, KeyError) as error:
            first = " ".join(str(error).split())[:300]
            what = f"The weights in {path} are not those of {self.architecture}: {first}"
            raise DataError(what, paths=[path], next_step=OTHER_FILE) from error
        network.pretrained_cfg.pop("state_dict", None)
        if classes != arguments["num_classes"]:
            network.reset_classifier(arguments["num_classes"])
        return network

    def _created(self, name: str, arguments: dict[str, Any]) -> Any:
        try:
            return timm.create_model(name, **arguments)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            if "img_size" in str(error):
                raise _NoSuchParameterError from error
            first = str(error).partition("\n")[0]
            raise ConfigError(
                [ConfigProblem("model.args", f"{self.architecture} takes other ones: {first}")]
            ) from error
        except (AssertionError, ValueError) as error:
            first = str(error).partition("\n")[0] or type(error).__name__
            raise ContractError(
                f"The network {self.architecture} cannot be built for this data",
                [f"its picture is {arguments.get('img_size', 'of any size')}: {first}"],
                next_step="Choose another: model.architecture=resnet18",
            ) from error


class _NoSuchParameterError(Exception):
    """timm's network takes no ``img_size``."""


class _Picture(nn.Module):
    """Bands and frames, filled up with zeros to sides that networks can divide."""

    def __init__(self, bands: int, frames: int) -> None:
        super().__init__()
        self.height, self.width = (-(-size // MULTIPLE) * MULTIPLE for size in (bands, frames))
        self.missing = (0, self.width - frames, 0, self.height - bands)

    def forward(self, features: Tensor) -> Tensor:
        return functional.pad(features, self.missing)
