"""The trained model as MLflow stores it: safetensors and text, no pickle.

MLflow imports this module to load the model again (``mlflow.pyfunc.load_model``), so the name stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model

from framework_core.config.migrations import KEY, VERSION, migrated
from framework_core.config.references import resolved_where_possible
from framework_core.contracts.config import ComponentConfig
from framework_core.contracts.data import DataSpec
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.registry import build, registry
from framework_core.secrets import conceal

WEIGHTS = "weights.safetensors"
MODEL = "model.json"
DATA = "data.json"


def save(model: torch.nn.Module, settings: Mapping[str, Any], data: DataSpec, folder: Path) -> None:
    """Write everything needed to bring the model back.

    Args:
        model: The trained model.
        settings: Its settings as they are saved: without secrets.
        data: What it was trained on.
        folder: Where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_model(model, str(folder / WEIGHTS))
    (folder / MODEL).write_text(json.dumps({KEY: VERSION, "model": settings}, indent=2), encoding="utf-8")
    (folder / DATA).write_text(conceal(data.model_dump_json(indent=2)), encoding="utf-8")


def load(folder: Path) -> torch.nn.Module:
    """Bring the model back, ready to predict."""
    saved, _ = migrated(json.loads((folder / MODEL).read_text("utf-8")))
    settings = resolved_where_possible(saved["model"])
    data = DataSpec.model_validate_json((folder / DATA).read_text("utf-8"))
    offer = registry.resolve("model", settings["name"])
    config = config_class(offer).model_validate(settings)
    model: torch.nn.Module = build(offer, without_pretrained(config), data=data)
    load_model(model, str(folder / WEIGHTS))
    return model.eval()


def without_pretrained(config: ComponentConfig) -> ComponentConfig:
    """The settings without pretrained weights: trained ones are loaded anyway, and nothing need be downloaded."""
    absent = {key: value for key, value in (("pretrained", False), ("weights", None)) if hasattr(config, key)}
    return config.model_copy(update=absent)


class PredictingModel:
    """What ``mlflow.pyfunc`` calls.

    Args:
        model: The trained model.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def predict(self, model_input: np.ndarray[Any, Any], params: dict[str, Any] | None = None) -> Any:
        """Prepared inputs to outputs.

        Args:
            model_input: Inputs as the data prepared them, the batch first; float32.
            params: Not used; MLflow passes it.
        """
        with torch.inference_mode():
            outputs = self.model(torch.from_numpy(np.asarray(model_input)))
        return to_numpy(outputs)


def to_numpy(outputs: Any) -> Any:
    """Tensors to arrays, in whatever they stand."""
    if isinstance(outputs, torch.Tensor):
        return outputs.detach().float().cpu().numpy()
    if isinstance(outputs, dict):
        return {key: to_numpy(value) for key, value in outputs.items()}
    return np.asarray(outputs)


def _load_pyfunc(path: str) -> PredictingModel:
    """Called by MLflow with the folder of the model's data."""
    return PredictingModel(load(Path(path)))
