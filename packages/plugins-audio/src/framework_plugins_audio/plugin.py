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

MODELS = (
    (
        "m5",
        "m5:M5",
        "M5Config",
        "M5: convolutions on the waveform itself, 0.56 M parameters",
        "Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms, https://arxiv.org/abs/1610.00087",
        ("waveform",),
        558_090,
    ),
    (
        "ds_cnn",
        "ds_cnn:DSCNN",
        "DSCNNConfig",
        "DS-CNN: separable convolutions on log-mels, 23 k to 414 k parameters",
        "Zhang et al., Hello Edge: Keyword Spotting on Microcontrollers, https://arxiv.org/abs/1711.07128",
        ("spectrogram", "small"),
        23_050,
    ),
    (
        "bc_resnet",
        "bc_resnet:BCResNet",
        "BCResNetConfig",
        "BC-ResNet: learns over time and broadcasts over frequencies, 9 k to 321 k parameters",
        "Kim et al., Broadcasted Residual Learning for Efficient Keyword Spotting, https://arxiv.org/abs/2106.04140",
        ("spectrogram", "small"),
        9_166,
    ),
    (
        "matchboxnet",
        "matchboxnet:MatchboxNet",
        "MatchboxNetConfig",
        "MatchboxNet: separable convolutions over time on MFCCs, 75 k parameters",
        "Majumdar and Ginsburg, MatchboxNet, https://arxiv.org/abs/2004.08531",
        ("spectrogram", "small"),
        74_634,
    ),
)
"""Name, class, settings, what it is, paper, tags, parameters for ten classes."""


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package."""
    yield from _models()
    yield from _datasets()


def _models() -> Iterable[ModelSpec]:
    for name, builder, config, summary, paper, tags, parameters in MODELS:
        yield ModelSpec(
            name=name,
            domain="audio",
            tasks=TASKS,
            summary=summary,
            builder=f"framework_plugins_audio.models.{builder}",
            config=f"{SETTINGS}:{config}",
            tags=tags,
            licence="MIT",
            paper=paper,
            parameters=parameters,
        )
    yield ModelSpec(
        name="mel_timm",
        domain="audio",
        tasks=TASKS,
        summary="Any network of timm, on log-mels as a picture",
        builder="framework_plugins_audio.models.mel_timm:MelTimm",
        config=f"{SETTINGS}:MelTimmConfig",
        tags=("spectrogram", "timm"),
        licence="Apache-2.0",
        paper="Wightman, PyTorch Image Models, https://doi.org/10.5281/zenodo.4414861",
        requires=("timm>=1.0.19",),
    )
    yield ModelSpec(
        name="ast",
        domain="audio",
        tasks=TASKS,
        summary="The Audio Spectrogram Transformer, small with random weights or from a checkpoint",
        builder="framework_plugins_audio.models.ast:AST",
        config=f"{SETTINGS}:ASTConfig",
        tags=("spectrogram", "transformer", "transformers"),
        licence="BSD-3-Clause",
        paper="Gong et al., AST: Audio Spectrogram Transformer, https://arxiv.org/abs/2104.01778",
        requires=("transformers>=4.50",),
        check_settings=("model.width=32", "model.depth=2", "model.heads=2", "model.feed_forward=64"),
    )
    yield ModelSpec(
        name="audio_transformer",
        domain="audio",
        tasks=TASKS,
        summary="The encoder of wav2vec 2.0, HuBERT, WavLM or Whisper, with random weights or from a checkpoint",
        builder="framework_plugins_audio.models.audio_transformer:AudioTransformer",
        config=f"{SETTINGS}:AudioTransformerConfig",
        tags=("waveform", "transformer", "transformers"),
        licence="Apache-2.0",
        paper="Yang et al., SUPERB: Speech processing Universal PERformance Benchmark, https://arxiv.org/abs/2105.01051",
        requires=("transformers>=4.50",),
        check_settings=(
            "model.width=32",
            "model.depth=2",
            "model.heads=2",
            "model.feed_forward=64",
            "model.conv_width=16",
        ),
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
