"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from framework_core import hookimpl
from framework_core.contracts import ComponentSpec, DatasetSpec, ModelSpec
from framework_plugins_timeseries.dataset_settings import M4_PERIODS
from framework_plugins_timeseries.published import FILES, PROBLEMS

FORECASTING = ("forecasting",)
ANOMALIES = ("anomaly-detection",)
CLASSIFICATION = ("time-series-classification",)
LTSF_PAPER = "Zeng et al., Are Transformers Effective for Time Series Forecasting?, https://arxiv.org/abs/2205.13504"
LTSF = {
    "etth1": ("ETTh1: transformer load and oil temperature, 7 hourly series", "CC-BY-ND-4.0"),
    "etth2": ("ETTh2: another transformer, 7 hourly series", "CC-BY-ND-4.0"),
    "ettm1": ("ETTm1: as ETTh1, every 15 minutes", "CC-BY-ND-4.0"),
    "ettm2": ("ETTm2: as ETTh2, every 15 minutes", "CC-BY-ND-4.0"),
    "weather": ("Weather in Jena in 2020, 21 measurements every 10 minutes", ""),
    "exchange": ("Exchange rates of 8 currencies by day", ""),
    "electricity": ("Electricity of 321 customers by hour", ""),
    "traffic": ("Road occupancy at 862 sensors by hour", ""),
}
"""Sets for long forecasts, and their licences where they are stated."""

UCR_PAPER = "Dau et al., The UCR Time Series Archive, https://arxiv.org/abs/1810.07758"
UEA_PAPER = "Bagnall et al., The UEA multivariate time series classification archive, https://arxiv.org/abs/1811.00075"
PROBLEM_SUMMARIES = {
    "acsf1": ("UCR ACSF1: the power that ten kinds of appliances draw", UCR_PAPER),
    "arrow_head": ("UCR ArrowHead: outlines of arrowheads of three kinds", UCR_PAPER),
    "basic_motions": ("UEA BasicMotions: four motions by six sensors of a watch", UEA_PAPER),
    "gun_point": ("UCR GunPoint: whether a hand draws a gun or points", UCR_PAPER),
    "italy_power_demand": ("UCR ItalyPowerDemand: winter or summer by a day's demand", UCR_PAPER),
    "japanese_vowels": ("UEA JapaneseVowels: nine speakers by 12 channels, of unequal length", UEA_PAPER),
    "osu_leaf": ("UCR OSULeaf: outlines of leaves of six trees", UCR_PAPER),
    "pickup_gesture": ("UCR PickupGestureWiimoteZ: ten persons by a gesture, of unequal length", UCR_PAPER),
}
"""Problems of the archives that are fetched, and the paper of the archive of each."""

FPP3 = "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, https://otexts.com/fpp3"

MODELS = (
    ("naive", "baselines:Naive", "BaselineConfig", "The last value again and again", FPP3, ("baseline",)),
    (
        "seasonal_naive",
        "baselines:SeasonalNaive",
        "SeasonalNaiveConfig",
        "The value a season before",
        FPP3,
        ("baseline",),
    ),
    (
        "ltsf_linear",
        "linear:Linear",
        "LinearConfig",
        "One linear layer from look-back to horizon",
        LTSF_PAPER,
        ("linear",),
    ),
    ("nlinear", "linear:NLinear", "LinearConfig", "A linear layer, the last value taken off", LTSF_PAPER, ("linear",)),
    ("dlinear", "linear:DLinear", "DLinearConfig", "A linear layer each for trend and rest", LTSF_PAPER, ("linear",)),
    (
        "patchtst",
        "patchtst:PatchTST",
        "PatchTSTConfig",
        "A transformer over patches of each target",
        "Nie et al., A Time Series is Worth 64 Words, https://arxiv.org/abs/2211.14730",
        ("transformer",),
    ),
    (
        "itransformer",
        "itransformer:ITransformer",
        "ITransformerConfig",
        "A transformer whose tokens are whole series",
        "Liu et al., iTransformer, https://arxiv.org/abs/2310.06625",
        ("transformer", "covariates"),
    ),
    (
        "nbeats",
        "nbeats:NBeats",
        "NBeatsConfig",
        "Blocks that each explain a part of what is left",
        "Oreshkin et al., N-BEATS, https://arxiv.org/abs/1905.10437",
        ("dense",),
    ),
    (
        "nhits",
        "nhits:NHits",
        "NHitsConfig",
        "N-BEATS at different rates, with interpolation",
        "Challu et al., N-HiTS, https://arxiv.org/abs/2201.12886",
        ("dense",),
    ),
    (
        "tsmixer",
        "tsmixer:TSMixer",
        "TSMixerConfig",
        "Dense layers that mix steps and targets in turn",
        "Chen et al., TSMixer, https://arxiv.org/abs/2303.06053",
        ("dense",),
    ),
    (
        "tsmixer_ext",
        "tsmixer_ext:TSMixerExt",
        "TSMixerExtConfig",
        "TSMixer with covariates of every kind",
        "Chen et al., TSMixer, https://arxiv.org/abs/2303.06053",
        ("dense", "covariates"),
    ),
    (
        "tide",
        "tide:TiDE",
        "TiDEConfig",
        "Dense layers over past and covariates known ahead",
        "Das et al., Long-term Forecasting with TiDE, https://arxiv.org/abs/2304.08424",
        ("dense", "covariates"),
    ),
    (
        "lstm",
        "lstm:LSTM",
        "LSTMConfig",
        "A recurrent network, the horizon read at once",
        "Hochreiter and Schmidhuber, Long Short-Term Memory, https://doi.org/10.1162/neco.1997.9.8.1735",
        ("recurrent", "covariates"),
    ),
    (
        "tcn",
        "tcn:TCN",
        "TCNConfig",
        "Causal convolutions that reach further and further",
        "Bai et al., An Empirical Evaluation of Generic Convolutional and Recurrent Networks, https://arxiv.org/abs/1803.01271",
        ("convolution", "covariates"),
    ),
    (
        "deepar",
        "deepar:DeepAR",
        "DeepARConfig",
        "A recurrent network that draws paths step by step",
        "Salinas et al., DeepAR, https://arxiv.org/abs/1704.04110",
        ("recurrent", "probabilistic", "covariates"),
    ),
    (
        "tft",
        "tft:TFT",
        "TFTConfig",
        "Variable selection, an LSTM and attention; quantiles",
        "Lim et al., Temporal Fusion Transformers, https://arxiv.org/abs/1912.09363",
        ("transformer", "probabilistic", "covariates"),
    ),
)
"""Name, class, settings, what it is, paper, tags."""

AUTOENCODERS = (
    (
        "lstm_autoencoder",
        "autoencoders:LSTMAutoencoder",
        "LSTMAutoencoderConfig",
        "Gives a window again, step by step from its end",
        "Malhotra et al., LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection, https://arxiv.org/abs/1607.00148",
        ("recurrent", "reconstruction"),
    ),
    (
        "tcn_autoencoder",
        "autoencoders:TCNAutoencoder",
        "TCNAutoencoderConfig",
        "Gives a window again through few channels and steps",
        "Thill et al., Temporal convolutional autoencoder, https://doi.org/10.1016/j.asoc.2021.107751",
        ("convolution", "reconstruction"),
    ),
)

CLASSIFIERS = (
    (
        "inception_time",
        "inception_time:InceptionTime",
        "InceptionTimeConfig",
        "Convolutions of several lengths, five networks averaged",
        "Fawaz et al., InceptionTime, https://arxiv.org/abs/1909.04939",
        ("convolution",),
    ),
    (
        "minirocket",
        "minirocket:MiniRocket",
        "MiniRocketConfig",
        "10,000 features of fixed convolutions, and ridge regression",
        "Dempster et al., MiniRocket, https://arxiv.org/abs/2012.08791",
        ("convolution",),
    ),
    (
        "patchtst_classifier",
        "patchtst_classifier:PatchTSTClassifier",
        "PatchTSTClassifierConfig",
        "A transformer over patches of each channel",
        "Nie et al., A Time Series is Worth 64 Words, https://arxiv.org/abs/2211.14730",
        ("transformer",),
    ),
)


EXPECTED_FAILURES = {
    "naive": {"learns_one_batch": "it repeats the last value: there is nothing to learn"},
    "seasonal_naive": {"learns_one_batch": "it repeats the last season: there is nothing to learn"},
    "minirocket": {"learns_one_batch": "its ridge regression is solved before the first epoch, not learned by steps"},
    "deepar": {"samples_are_independent": "its forecast is drawn, and each series of a batch draws other numbers"},
}
"""Promises of models that these do not keep, and why."""


EVERYWHERE: tuple[Literal["onnx", "torch-export"], ...] = ("onnx", "torch-export")
EXPORTS: dict[str, tuple[Literal["onnx", "torch-export"], ...]] = {
    "deepar": (),  # its answers are drawn
    "minirocket": ("torch-export",),  # ONNX has no convolution of so many patterns with a dilation each
}
"""What models are exported to that are not exported to everything."""


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package."""
    # The error of any forecast tells what is unusual.
    listed = (((*FORECASTING, *ANOMALIES), MODELS), (ANOMALIES, AUTOENCODERS), (CLASSIFICATION, CLASSIFIERS))
    for tasks, models in listed:
        for name, builder, config, summary, paper, tags in models:
            yield ModelSpec(
                name=name,
                domain="timeseries",
                tasks=tasks,
                summary=summary,
                builder=f"framework_plugins_timeseries.models.{builder}",
                config=f"framework_plugins_timeseries.settings:{config}",
                tags=tags,
                licence="MIT",
                paper=paper,
                expected_failures=EXPECTED_FAILURES.get(name, {}),
                exports=EXPORTS.get(name, EVERYWHERE),
            )
    yield from _datasets()
    yield from _labelled_datasets()
    yield from _datasets_with_anomalies()


@hookimpl
def register_config_packages() -> list[str]:
    """Settings to be named on the command line, for published figures."""
    return ["framework_plugins_timeseries.conf"]


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
    for name, (summary, licence) in LTSF.items():
        fetched = name in FILES
        yield DatasetSpec(
            name=name,
            domain="timeseries",
            tasks=FORECASTING,
            summary=f"{summary}, {_from(fetched, 'a file')}",
            files=FILES.get(name, ()),
            builder="framework_plugins_timeseries.datasets.ltsf:Ltsf",
            config=f"framework_plugins_timeseries.dataset_settings:{'FetchedLtsfConfig' if fetched else 'LtsfConfig'}",
            tags=("long-horizon", "multivariate", *(("download",) if fetched else ())),
            licence=licence,
            paper=LTSF_PAPER,
        )
    for name, (period, horizon, season) in M4_PERIODS.items():
        fetched = name in FILES
        yield DatasetSpec(
            name=name,
            domain="timeseries",
            tasks=FORECASTING,
            summary=f"M4 {period}: horizon {horizon}, season {season}; {_from(fetched, 'two files')}",
            files=FILES.get(name, ()),
            builder="framework_plugins_timeseries.datasets.m4:M4",
            config=f"framework_plugins_timeseries.dataset_settings:{'FetchedM4Config' if fetched else 'M4Config'}",
            tags=("many-series", "univariate", *(("download",) if fetched else ())),
            paper="Makridakis et al., The M4 Competition, https://doi.org/10.1016/j.ijforecast.2019.04.014",
        )
    yield DatasetSpec(
        name="tsf",
        domain="timeseries",
        tasks=FORECASTING,
        summary="A .tsf file of the Monash archive: the last horizon of each series is its test",
        builder="framework_plugins_timeseries.datasets.tsf:Tsf",
        config="framework_plugins_timeseries.dataset_settings:TsfConfig",
        tags=("own-data", "many-series", "univariate"),
        paper="Godahewa et al., Monash Time Series Forecasting Archive, https://arxiv.org/abs/2105.06643",
    )


def _from(fetched: bool, what: str) -> str:
    return "fetched once" if fetched else f"from {what} of yours"


def _labelled_datasets() -> Iterable[DatasetSpec]:
    for name, (summary, archive) in PROBLEM_SUMMARIES.items():
        yield DatasetSpec(
            name=name,
            domain="timeseries",
            tasks=CLASSIFICATION,
            summary=f"{summary}, fetched once",
            files=PROBLEMS[name],
            builder="framework_plugins_timeseries.datasets.ucr:Problem",
            config="framework_plugins_timeseries.dataset_settings:ProblemConfig",
            tags=("classes", "download"),
            paper=archive,
        )
    yield DatasetSpec(
        name="ucr",
        domain="timeseries",
        tasks=CLASSIFICATION,
        summary="A problem of the UCR or UEA archive, or series of your own: .ts, or tables with the class in front",
        builder="framework_plugins_timeseries.datasets.ucr:Ucr",
        config="framework_plugins_timeseries.dataset_settings:UcrConfig",
        tags=("own-data", "classes"),
        paper=UCR_PAPER,
    )
    yield DatasetSpec(
        name="co2_seasons",
        domain="timeseries",
        tasks=CLASSIFICATION,
        summary="The season in which half a year of carbon dioxide begins, from co2, which comes with statsmodels",
        builder="framework_plugins_timeseries.datasets.co2_seasons:Co2Seasons",
        config="framework_plugins_timeseries.dataset_settings:Co2SeasonsConfig",
        tags=("built-in", "classes"),
        licence="public domain",
        default=True,
        paper="Keeling and Whorf, Atmospheric CO2 concentrations derived from flask air samples, CDIAC, 2004",
    )


def _datasets_with_anomalies() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="anomaly_table",
        domain="timeseries",
        tasks=ANOMALIES,
        summary="Your own series in a CSV or Parquet table, to find what is unusual in, with labels or without",
        builder="framework_plugins_timeseries.datasets.anomaly_table:AnomalyTable",
        config="framework_plugins_timeseries.dataset_settings:AnomalyTableConfig",
        tags=("own-data", "anomalies"),
    )
    yield DatasetSpec(
        name="co2_faults",
        domain="timeseries",
        tasks=ANOMALIES,
        summary="Carbon dioxide by week, which comes with statsmodels, with six labelled faults put into its end",
        builder="framework_plugins_timeseries.datasets.co2_faults:Co2Faults",
        config="framework_plugins_timeseries.dataset_settings:Co2FaultsConfig",
        tags=("built-in", "anomalies", "univariate"),
        licence="public domain",
        default=True,
        paper="Keeling and Whorf, Atmospheric CO2 concentrations derived from flask air samples, CDIAC, 2004",
    )
