"""Time series for framework-core: forecasts, classes and anomalies; networks, baselines, tables, published protocols.

Names are imported when they are used, so listing the models imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_plugins_timeseries.anomaly_data import BaseAnomalyDataModule as BaseAnomalyDataModule
    from framework_plugins_timeseries.classification_data import (
        BaseSeriesClassificationDataModule as BaseSeriesClassificationDataModule,
    )
    from framework_plugins_timeseries.classification_model import BaseSeriesClassifier as BaseSeriesClassifier
    from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule as BaseTimeSeriesDataModule
    from framework_plugins_timeseries.model import BaseTimeSeriesModel as BaseTimeSeriesModel
    from framework_plugins_timeseries.models.autoencoders import BaseReconstructor as BaseReconstructor

__version__ = "0.1.0"

_HOMES = {
    "BaseAnomalyDataModule": "anomaly_data",
    "BaseReconstructor": "models.autoencoders",
    "BaseSeriesClassificationDataModule": "classification_data",
    "BaseSeriesClassifier": "classification_model",
    "BaseTimeSeriesDataModule": "datamodule",
    "BaseTimeSeriesModel": "model",
}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
