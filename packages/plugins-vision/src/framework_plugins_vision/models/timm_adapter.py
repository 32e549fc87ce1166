"""Every architecture of timm, by its name."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from framework_core import DataSpec
from framework_core.contracts import ModelContract
from framework_core.errors import (
    ConfigError,
    ConfigProblem,
    ContractError,
    DataError,
    RequestError,
    UnknownNameError,
)
from framework_plugins_vision.model import BaseVisionModel

_log = logging.getLogger("framework_core")


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
        args: Any other parameter that the architecture takes.
        data: What the model is trained on; without it the model is timm's own, for 1,000 classes.
    """

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
        args: Mapping[str, Any] | None = None,
        *,
        data: DataSpec | None = None,
    ) -> None:
        super().__init__(data=data)
        self.architecture = architecture
        self.pretrained = pretrained
        self.weights = weights
        self.cache_dir = cache_dir
        self.img_size = img_size
        self.parameters_of_timm = {
            "drop_rate": drop_rate,
            "drop_path_rate": drop_path_rate,
            "global_pool": global_pool,
            **(args or {}),
        }

    @property
    def contract(self) -> ModelContract:
        """What timm says of the architecture."""
        height, width = self._made_for()[1:]
        advice = f"{self.architecture} was made for {height}x{width}: dataset.image_size={height}"
        return super().contract.model_copy(update={"advice": advice})

    def _build_model(self) -> nn.Module:
        arguments = {**self.parameters_of_timm, **self._head(), **self._start()}
        if self.img_size is not None:
            return self._create(img_size=self.img_size, **arguments)
        size = self._data_spec.input_shape[1:] if self._data_spec is not None else ()
        if size and tuple(size) != tuple(self._made_for()[1:]):
            try:
                return self._create(img_size=tuple(size), **arguments)
            except TypeError as error:
                # Architectures that take any size, most convolutional ones, have no such parameter.
                if "img_size" not in str(error):
                    raise
        return self._create(**arguments)

    def _head(self) -> dict[str, Any]:
        if self._data_spec is None:
            return {}
        return {"num_classes": self.data.num_classes, "in_chans": self.data.channels}

    def _start(self) -> dict[str, Any]:
        """Where the weights come from."""
        if self.weights is not None:
            return {
                "pretrained": True,
                "pretrained_cfg_overlay": _local_weights(Path(self.weights), self._config()),
            }
        return {"pretrained": bool(self.pretrained), "cache_dir": self.cache_dir}

    def _create(self, **arguments: Any) -> nn.Module:
        name = self.architecture
        if isinstance(self.pretrained, str):
            known = [each.partition(".")[2] for each in timm.list_pretrained(f"{name}.*")]
            if self.pretrained not in known:
                listing = f"fw info model {name}"
                raise UnknownNameError(f"set of weights of {name}", self.pretrained, known, listing=listing)
            name = f"{name}.{self.pretrained}"
        if not arguments.get("pretrained"):
            return self._checked(name, arguments)
        if self.weights is None:
            _log.info("weights   of %s, from the cache or downloaded", name)
        try:
            return self._checked(name, arguments)
        except (OSError, RuntimeError) as error:
            if self.weights is not None:
                raise _unfitting(self.weights, name, error) from error
            raise _not_downloaded(name, error) from error

    def _checked(self, name: str, arguments: dict[str, Any]) -> nn.Module:
        try:
            return timm.create_model(name, **arguments)
        except TypeError as error:
            unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unknown is None or unknown.group(1) not in self.parameters_of_timm:
                raise
            path = f"model.args.{unknown.group(1)}"
            problem = ConfigProblem(path, f"{name} takes no such parameter in timm")
            raise ConfigError([problem], next_step=f"What every architecture takes: fw info model {name}") from error
        except (AssertionError, ValueError) as error:
            found = str(error).partition("\n")[0] or type(error).__name__
            raise ContractError(
                f"The model {name!r} cannot be built for this data", [found], next_step=self.contract.advice
            ) from error

    def _config(self) -> Any:
        return timm.get_pretrained_cfg(self.architecture)

    def _made_for(self) -> tuple[int, int, int]:
        config = self._config()
        return tuple(config.input_size) if config is not None else (3, 224, 224)


def _local_weights(path: Path, config: Any) -> dict[str, Any]:
    """What timm has to know to start from a file."""
    if not path.is_file():
        raise DataError(f"There is no file of weights {path}.", paths=[path])
    overlay = {"file": str(path), "custom_load": False, "hf_hub_id": None, "url": None}
    state = _state(path)
    classifier = getattr(config, "classifier", None)
    names = [classifier] if isinstance(classifier, str) else list(classifier or ())
    for name in names:
        if f"{name}.weight" in state:
            overlay["num_classes"] = state[f"{name}.weight"].shape[0]
    return overlay


def _state(path: Path) -> Mapping[str, Any]:
    """The tensors of a file, without running anything that may stand in it."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(
            f"{path} holds no weights that can be read ({type(error).__name__}).",
            paths=[path],
            possible="Weights are read from .safetensors, and from .pth files that hold tensors only.",
        ) from error
    return loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}


def _unfitting(path: str, name: str, error: Exception) -> DataError:
    first = " ".join(str(error).split())[:300]
    return DataError(f"The weights in {path} are not those of {name}: {first}", paths=[path])


def _not_downloaded(name: str, error: Exception) -> RequestError:
    first = " ".join(str(error).split())[:200]
    return RequestError(
        f"The pretrained weights of {name} could not be downloaded: {type(error).__name__}: {first}",
        possible="They are taken from the cache where they were downloaded before.",
        next_step="Without a network: model.weights=FILE (.safetensors or .pth), or model.pretrained=false",
    )
