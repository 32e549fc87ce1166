"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

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

EXPORTS: tuple[Literal["onnx", "torch-export"], ...] = ("onnx", "torch-export")
"""What every model can be exported to, its front end included."""


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
            exports=EXPORTS,
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
        exports=EXPORTS,
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
        exports=EXPORTS,
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
        exports=EXPORTS,
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
    yield DatasetSpec(
        name="speech_commands",
        domain="audio",
        tasks=TASKS[:1],
        summary="Speech Commands v2: words of a second, 35 classes, or 12 with unknown and silence; 2.4 GB",
        files=FILES["speech_commands"],
        builder=f"{DATASETS}.speech_commands:SpeechCommands",
        config=f"{DATA_SETTINGS}:SpeechCommandsConfig",
        tags=("speech", "keyword-spotting", "download"),
        licence="CC-BY-4.0",
        paper="Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, https://arxiv.org/abs/1804.03209",
    )
    yield DatasetSpec(
        name="esc50",
        domain="audio",
        tasks=TASKS[:1],
        summary="ESC-50 or ESC-10: environmental sounds of five seconds in five folds, fetched once (600 MB)",
        files=FILES["esc50"],
        builder=f"{DATASETS}.esc50:Esc50",
        config=f"{DATA_SETTINGS}:Esc50Config",
        tags=("sound-events", "folds", "download"),
        licence="CC-BY-NC-3.0",
        paper="Piczak, ESC: Dataset for Environmental Sound Classification, https://doi.org/10.1145/2733373.2806390",
    )
    yield DatasetSpec(
        name="urbansound8k",
        domain="audio",
        tasks=TASKS[:1],
        summary="UrbanSound8K: 8,732 sounds of a city in ten folds, 10 classes, fetched once (6 GB)",
        files=FILES["urbansound8k"],
        builder=f"{DATASETS}.urbansound8k:UrbanSound8K",
        config=f"{DATA_SETTINGS}:FoldedSoundsConfig",
        tags=("sound-events", "folds", "download"),
        licence="CC-BY-NC-3.0",
        paper="Salamon et al., A Dataset and Taxonomy for Urban Sound Research, https://doi.org/10.1145/2647868.2655045",
    )
    yield DatasetSpec(
        name="audio_folder",
        domain="audio",
        tasks=TASKS[:1],
        summary="Your own sounds: a folder for each class, or train/val/test folders of them",
        builder=f"{DATASETS}.audio_folder:AudioFolder",
        config=f"{DATA_SETTINGS}:AudioFolderConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="audio_manifest",
        domain="audio",
        tasks=TASKS,
        summary="Your own sounds named in a table, CSV, TSV, JSON lines or Parquet: a class, tags or numbers each",
        builder=f"{DATASETS}.audio_manifest:AudioManifest",
        config=f"{DATA_SETTINGS}:AudioManifestConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="huggingface_audio",
        domain="audio",
        tasks=TASKS[:1],
        summary="A dataset of sounds from the Hugging Face hub by its id, or saved on the disk",
        builder=f"{DATASETS}.huggingface:HuggingFaceAudio",
        config=f"{DATA_SETTINGS}:HuggingFaceAudioConfig",
        tags=("own-data", "download"),
        requires=("datasets>=3.2",),
    )


@hookimpl
def register_config_packages() -> list[str]:
    """The recipes."""
    return ["framework_plugins_audio.conf"]
