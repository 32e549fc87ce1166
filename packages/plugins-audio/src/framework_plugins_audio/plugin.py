"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core import hookimpl
from framework_core.contracts import ComponentSpec, DatasetSpec, ModelSpec
from framework_plugins_audio.published import FILES

TASKS = ("audio-classification", "audio-tagging", "audio-regression")
SETTINGS = "framework_plugins_audio.settings"
DATA_SETTINGS = "framework_plugins_audio.dataset_settings"
DATASETS = "framework_plugins_audio.datasets"


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package."""
    yield from _models()
    yield from _datasets()


def _models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="m5",
        domain="audio",
        tasks=TASKS,
        summary="M5: convolutions on the waveform itself, 0.56 M parameters",
        builder="framework_plugins_audio.models.m5:M5",
        config=f"{SETTINGS}:M5Config",
        tags=("waveform",),
        licence="MIT",
        paper="Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms, https://arxiv.org/abs/1610.00087",
        parameters=558_090,
        exports=("onnx", "torch-export"),
    )


def _datasets() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="dtmf",
        domain="audio",
        tasks=TASKS[:1],
        summary="Keys of a telephone in noise, made on the spot by their standard frequencies, 16 classes",
        builder=f"{DATASETS}.dtmf:Dtmf",
        config=f"{DATA_SETTINGS}:DtmfConfig",
        tags=("built-in", "made"),
        licence="MIT",
        paper="ITU-T Recommendation Q.23, https://www.itu.int/rec/T-REC-Q.23",
        default=True,
    )
    yield DatasetSpec(
        name="fsdd",
        domain="audio",
        tasks=TASKS[:1],
        summary="Free Spoken Digit Dataset: ten digits said by several speakers, fetched once",
        files=FILES["fsdd"],
        builder=f"{DATASETS}.fsdd:Fsdd",
        config=f"{DATA_SETTINGS}:FsddConfig",
        tags=("speech", "download"),
        licence="CC-BY-SA-4.0",
        paper="Jackson et al., Free Spoken Digit Dataset, https://doi.org/10.5281/zenodo.1342401",
    )
