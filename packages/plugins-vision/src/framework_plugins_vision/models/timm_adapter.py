"""Every architecture of timm, by its name."""

from __future__ import annotations

import inspect
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import timm
import torch
from timm.models import group_parameters
from torch import Tensor, nn

from framework_core.contracts import ModelContract
from framework_core.errors import (
    ConfigError,
    ConfigProblem,
    ContractError,
    DataError,
    UnknownNameError,
    near_names,
)
from framework_plugins_vision.model import OF_WHOLE_IMAGES, BaseVisionModel
from framework_plugins_vision.models.segmentation_network import SegmentationNetwork

_log = logging.getLogger("framework_core")

COLOURS_ONLY = ("csatv2", "csatv2_21m")
"""Architectures that take three channels whatever they are told."""

SEGMENTATION = "semantic-segmentation"
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")

OTHER_FILE = "Name another with model.weights=FILE (.safetensors or .pth)"
WITHOUT_HUB = "Without them: model.weights=FILE (.safetensors or .pth), or model.pretrained=false"


class TimmModel(BaseVisionModel):
    """A timm architecture with a classifier for the data's classes and a first layer for its channels.

    Args:
        architecture: Its name in timm.
        pretrained: Whether to start from pretrained weights, or the name of one set of them.
        weights: A local file of weights to start from.
        drop_rate: Dropout before the classifier.
        drop_path_rate: Stochastic depth.
        global_pool: How features become one vector.
        img_size: The input size, for architectures that are built for one.
        cache_dir: Where downloaded weights are kept.
        decoder: For masks: ``unet`` or ``fpn``.
        decoder_width: For masks: the channels of the decoder at its widest.
        args: Any other parameter that the architecture takes.
        **common: What every model for images takes: ``loss``, ``label_smoothing`` ..., and ``data``; without data the
            model is timm's own, for 1,000 classes.
    """

    tasks: ClassVar[tuple[str, ...]] = (*OF_WHOLE_IMAGES, SEGMENTATION)

    def __init__(
        self,
        architecture: str,
        pretrained: bool | str = False,
        weights: str | None = None,
        drop_rate: float | None = None,
        drop_path_rate: float | None = None,
        global_pool: str | None = None,
        img_size: int | tuple[int, int] | None = None,
        cache_dir: str | None = None,
        decoder: str = "unet",
        decoder_width: int = 128,
        args: Mapping[str, Any] | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.architecture = architecture
        self.pretrained = pretrained
        self.weights = weights
        self.cache_dir = cache_dir
        self.img_size = img_size
        self.decoder = decoder
        self.decoder_width = decoder_width
        self.parameters_of_timm = {
            "drop_rate": drop_rate,
            "drop_path_rate": drop_path_rate,
            "global_pool": global_pool,
            **(args or {}),
        }

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """The images that the architecture, or the chosen set of weights, was trained with: timm's data config."""
        architecture, pretrained = settings["architecture"], settings.get("pretrained")
        name = f"{architecture}.{pretrained}" if isinstance(pretrained, str) else architecture
        # A name that is none is refused where the model is built, with those that there are.
        config = timm.get_pretrained_cfg(name, allow_unregistered=False) if _is_known(name) else None
        if config is None:
            return {}
        height, width = config.input_size[1:]
        own = settings.get("img_size")
        found = {
            "image_size": own or (height if height == width else (height, width)),
            "crop_pct": float(config.crop_pct),
            "interpolation": config.interpolation,
            "mean": tuple(config.mean),
            "std": tuple(config.std),
        }
        return found if config.interpolation in INTERPOLATIONS else {**found, "interpolation": "bicubic"}

    def parameter_layers(self) -> Sequence[Sequence[str]]:
        """The groups that timm has for it; for masks the decoder is the head."""
        segments = isinstance(self.model, SegmentationNetwork)
        network, prefix = (self.model.encoder, "model.encoder.") if segments else (self.model, "model.")
        numbers = _layer_numbers(network)
        layers: list[list[str]] = [[] for _ in range(max(numbers.values()) + 1)] if numbers else []
        for name, number in numbers.items():
            layers[number].append(prefix + name)
        named = set(numbers)
        rest = [name for name, _ in self.named_parameters() if name.removeprefix(prefix) not in named]
        return [layer for layer in [*layers, rest] if layer]

    def enable_gradient_checkpointing(self) -> None:
        """By timm's own means; for masks, in the encoder.

        Raises:
            ContractError: The architecture has none.
        """
        network: Any = self.model.encoder if isinstance(self.model, SegmentationNetwork) else self.model
        # Encoders that only look at a whole network hold it as their model.
        inner = getattr(network, "model", None)
        switch = getattr(network, "set_grad_checkpointing", getattr(inner, "set_grad_checkpointing", None))
        if switch is None:
            super().enable_gradient_checkpointing()
            return
        try:
            switch(True)
        except AssertionError as error:
            raise ContractError(
                f"{self.architecture} cannot compute activations again",
                [str(error) or "timm has no way to"],
                next_step="Leave performance.gradient_checkpointing out, or take a smaller dataset.batch_size.",
            ) from error

    @property
    def contract(self) -> ModelContract:
        """What timm says of the architecture."""
        height, width = self._made_for()[1:]
        advice = f"{self.architecture} was made for {height}x{width}: dataset.image_size={height}"
        if self.architecture not in COLOURS_ONLY:
            return super().contract.model_copy(update={"advice": advice})
        colours = f"{self.architecture} takes colours only, of a dataset that has them: dataset.channels=3"
        return super().contract.model_copy(update={"advice": colours, "channels": (3,)})

    def _build_model(self) -> nn.Module:
        arguments = {**self.parameters_of_timm, **self._head()}
        if self._data_spec is None:
            return self._network(arguments)
        if self.data.task == SEGMENTATION:
            return self._segmenting(lambda: self._network(arguments))
        return _classifying(self._network(arguments), self.data.num_outputs)

    def _network(self, arguments: dict[str, Any]) -> nn.Module:
        if self.weights is not None:
            return self._from_file(Path(self.weights), arguments)
        return self._sized({**arguments, "pretrained": bool(self.pretrained), "cache_dir": self.cache_dir})

    def _head(self) -> dict[str, Any]:
        if self._data_spec is None:
            return {}
        if self.data.task == SEGMENTATION:
            return {"features_only": True, "in_chans": self.data.channels}
        return {"num_classes": self.data.num_outputs, "in_chans": self.data.channels}

    def _segmenting(self, build: Callable[[], Any]) -> SegmentationNetwork:
        """A decoder behind an encoder of features.

        Raises:
            ContractError: The architecture gives no features.
        """
        try:
            encoder = build()
            return SegmentationNetwork(
                encoder, decoder=self.decoder, width=self.decoder_width, num_classes=self.data.num_classes
            )
        except (RuntimeError, AttributeError, KeyError) as error:
            subject = f"The model {self.architecture!r} cannot be built for masks"
            found = str(error).partition("\n")[0] or type(error).__name__
            step = "Choose another encoder, for example: --model resnet34"
            raise ContractError(subject, [f"it gives no features to decode: {found}"], next_step=step) from error

    def _from_file(self, path: Path, arguments: dict[str, Any]) -> nn.Module:
        """Start from a file. For other classes timm would load whatever it finds there, so the file's come first."""
        state = _state(path)
        classes = _classes_in(state, self._config())
        overlay = {"state_dict": state, "num_classes": classes, "label_offset": 0}
        try:
            network: Any = self._sized(
                {**arguments, "num_classes": classes, "pretrained": True, "pretrained_cfg_overlay": overlay}
            )
        except (RuntimeError, KeyError) as error:
            raise _unfitting(path, self.architecture, error) from error
        network.pretrained_cfg.pop("state_dict", None)
        if arguments.get("num_classes", classes) != classes and hasattr(network, "reset_classifier"):
            network.reset_classifier(arguments["num_classes"])
        return cast("nn.Module", network)

    def _sized(self, arguments: dict[str, Any]) -> nn.Module:
        """Built for the size of the data, where the architecture is built for one."""
        if self.img_size is not None:
            return self._create(img_size=self.img_size, **arguments)
        size = self._data_spec.input_shape[1:] if self._data_spec is not None else ()
        if size and tuple(size) != tuple(self._made_for()[1:]):
            try:
                return self._create(img_size=tuple(size), **arguments)
            except ConfigError as error:
                # Architectures that take any size, most convolutional ones, have no such parameter.
                if error.problems[0].path != "model.img_size":
                    raise
        return self._create(**arguments)

    def _create(self, **arguments: Any) -> nn.Module:
        name = self._full_name()
        if not self.pretrained or self.weights is not None:
            return self._checked(name, arguments)
        _log.info("weights   of %s, from the cache or downloaded", name)
        try:
            return self._checked(name, arguments)
        except (OSError, RuntimeError) as error:
            raise _not_downloaded(name, error) from error

    def _full_name(self) -> str:
        """With the name of the pretrained weights, where one was chosen."""
        name = self.architecture
        if self.pretrained is True and not getattr(self._config(), "has_weights", False):
            problem = ConfigProblem("model.pretrained", f"timm has no pretrained weights of {name}", value=True)
            raise ConfigError([problem], next_step=WITHOUT_HUB)
        if not isinstance(self.pretrained, str):
            return name
        known = [each.partition(".")[2] for each in timm.list_pretrained(f"{name}.*")]
        if self.pretrained not in known:
            listing = f"fw info model {name}"
            raise UnknownNameError(f"set of weights of {name}", self.pretrained, known, listing=listing)
        return f"{name}.{self.pretrained}"

    def _checked(self, name: str, arguments: dict[str, Any]) -> nn.Module:
        try:
            return timm.create_model(name, **arguments)
        except (AssertionError, ValueError, TypeError) as error:
            unknown = _UNKNOWN_PARAMETER.search(str(error))
            if unknown is not None and unknown.group(2) in {"img_size", *self.parameters_of_timm}:
                raise self._no_such_parameter(*unknown.groups()) from error
            found = str(error).partition("\n")[0] or type(error).__name__
            raise ContractError(
                f"The model {name!r} cannot be built for this data", [found], next_step=self.contract.advice
            ) from error

    def _no_such_parameter(self, owner: str, parameter: str) -> ConfigError:
        path = f"model.{parameter}" if parameter in _OWN_PARAMETERS else f"model.args.{parameter}"
        module = sys.modules[timm.model_entrypoint(self.architecture).__module__]
        known = inspect.signature(getattr(module, owner)).parameters if hasattr(module, owner) else ()
        near = [f"model.args.{each}" for each in near_names(parameter, known)]
        problem = ConfigProblem(path, f"{self.architecture} takes no such parameter in timm", near=near)
        return ConfigError([problem], next_step=f"What every architecture takes: fw info model {self.architecture}")

    def _config(self) -> Any:
        return timm.get_pretrained_cfg(self.architecture)

    def _made_for(self) -> tuple[int, int, int]:
        config = self._config()
        return tuple(config.input_size) if config is not None else (3, 224, 224)


_UNKNOWN_PARAMETER = re.compile(
    r"(\w*)(?:\.__init__)?\(\) got (?:an )?unexpected keyword argument(?:\(s\): \[)? ?'(\w+)'"
)
_OWN_PARAMETERS = frozenset(inspect.signature(TimmModel.__init__).parameters)


def _is_known(name: str) -> bool:
    architecture, _, weights = name.partition(".")
    return timm.is_model(architecture) and (not weights or name in timm.list_pretrained(f"{architecture}.*"))


def _layer_numbers(network: Any) -> dict[str, int]:
    """The layer of each parameter as timm counts them, from the input to the head; nothing where it does not say."""
    if not hasattr(network, "group_matcher"):
        if hasattr(inner := getattr(network, "model", None), "group_matcher"):
            return {f"model.{name}": number for name, number in _layer_numbers(inner).items()}
        return _numbers_of_stages(network) if hasattr(network, "feature_info") else {}
    numbers: dict[str, int] = group_parameters(network, network.group_matcher(coarse=False), reverse=True)
    return numbers


def _numbers_of_stages(encoder: nn.Module) -> dict[str, int]:
    """An encoder of features only has its stages in order."""
    order: dict[str, int] = {}
    return {name: order.setdefault(name.partition(".")[0], len(order)) for name, _ in encoder.named_parameters()}


def _classifying(network: Any, classes: int) -> nn.Module:
    """The network; a classifier of the mean feature behind it where it is an encoder, which has none."""
    if network.num_classes:
        return cast("nn.Module", network)
    return nn.Sequential(network, _MeanFeature(), nn.Linear(network.head_hidden_size, classes))


class _MeanFeature(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """``(batch, features, height, width)`` or ``(batch, tokens, features)`` to ``(batch, features)``."""
        return x.mean(dim=(2, 3)) if x.ndim == 4 else x.mean(dim=1)


def _state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, without running anything that may stand in it.

    Raises:
        DataError: There is no such file, or there are no weights in it.
    """
    if path.is_dir():
        # A checkpoint of a run.
        path = path / "weights.safetensors"
    if not path.is_file():
        raise DataError(f"There is no file of weights {path}.", paths=[path], next_step=OTHER_FILE)
    try:
        loaded = _read(path)
    except Exception as error:
        raise _no_weights(path, type(error).__name__) from error
    inner = next((loaded[key] for key in _INNER if isinstance(loaded.get(key), Mapping)), loaded)
    state = {str(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if not state:
        raise _no_weights(path, "no tensors")
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


_INNER = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where checkpoints of training programs keep the weights, the better first."""

_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What torch's wrappers, and the checkpoints of runs, put in front of every name."""


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return loaded if isinstance(loaded, Mapping) else {}


def _classes_in(state: Mapping[str, Tensor], config: Any) -> int:
    """How many classes the weights were trained for; 0 where there is no classifier among them."""
    named = getattr(config, "classifier", None) or ()
    first = named if isinstance(named, str) else next(iter(named), "")
    weight = state.get(f"{first}.weight")
    return 0 if weight is None else weight.shape[0]


def _no_weights(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} holds no weights that can be read ({why}).",
        paths=[path],
        possible="Weights are read from .safetensors, and from .pth files that hold tensors only.",
        next_step=OTHER_FILE,
    )


def _unfitting(path: Path, name: str, error: Exception) -> DataError:
    first = " ".join(str(error).split())[:300]
    what = f"The weights in {path} are not those of {name}: {first}"
    return DataError(what, paths=[path], next_step=OTHER_FILE)


def _not_downloaded(name: str, error: Exception) -> DataError:
    first = " ".join(str(error).split())[:200]
    return DataError(
        f"The pretrained weights of {name} could not be downloaded: {type(error).__name__}: {first}",
        possible="They are taken from the cache where they were downloaded before.",
        next_step=WITHOUT_HUB,
    )
