"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core import hookimpl
from framework_core.contracts import ComponentSpec, DatasetSpec, ModelSpec

FORECASTING = ("forecasting",)
LTSF_PAPER = "Zeng et al., Are Transformers Effective for Time Series Forecasting?, https://arxiv.org/abs/2205.13504"
FPP3 = "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, https://otexts.com/fpp3"

MODELS = (
    ("naive", "baselines:Naive", "BaselineConfig", "The last value again and again", FPP3, ("baseline",)),
    ("seasonal_naive", "baselines:SeasonalNaive", "SeasonalNaiveConfig", "The value a season before", FPP3, ("baseline",)),
    ("linear", "linear:Linear", "LinearConfig", "One linear layer from look-back to horizon", LTSF_PAPER, ("linear",)),
    ("nlinear", "linear:NLinear", "LinearConfig", "A linear layer, the last value taken off", LTSF_PAPER, ("linear",)),
    ("dlinear", "linear:DLinear", "DLinearConfig", "A linear layer each for trend and rest", LTSF_PAPER, ("linear",)),
)
"""Name, class, settings, what it is, paper, tags."""


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package."""
    for name, builder, config, summary, paper, tags in MODELS:
        yield ModelSpec(
            name=name,
            domain="timeseries",
            tasks=FORECASTING,
            summary=summary,
            builder=f"framework_plugins_timeseries.models.{builder}",
            config=f"framework_plugins_timeseries.settings:{config}",
            tags=tags,
            licence="MIT",
            paper=paper,
        )
    yield from _datasets()


def _datasets() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="co2",
        domain="timeseries",
        tasks=FORECASTING,
        summary="Carbon dioxide at Mauna Loa by week, 2,284 weeks that come with statsmodels",
        builder="framework_plugins_timeseries.datasets.statsmodels_series:Co2",
        config="framework_plugins_timeseries.dataset_settings:Co2Config",
        tags=("built-in", "univariate"),
        licence="public domain",
        paper="Keeling and Whorf, Atmospheric CO2 concentrations derived from flask air samples, CDIAC, 2004",
        default=True,
    )
    yield DatasetSpec(
        name="sunspots",
        domain="timeseries",
        tasks=FORECASTING,
        summary="Sunspots by year, 309 years that come with statsmodels",
        builder="framework_plugins_timeseries.datasets.statsmodels_series:Sunspots",
        config="framework_plugins_timeseries.dataset_settings:SunspotsConfig",
        tags=("built-in", "univariate"),
        licence="public domain",
    )
    yield DatasetSpec(
        name="series_table",
        domain="timeseries",
        tasks=FORECASTING,
        summary="Your own series in a CSV or Parquet table, wide or long, with covariates",
        builder="framework_plugins_timeseries.datasets.series_table:SeriesTable",
        config="framework_plugins_timeseries.dataset_settings:SeriesTableConfig",
        tags=("own-data",),
    )
