"""From sound files to batches of log-mels: clips a second of the processor's time, against what people use today.

    python benchmarks/audio_input.py                 all sets and pipelines, 7 interleaved rounds
    python benchmarks/audio_input.py --set words     one set

It needs the packages `librosa` and `transformers`, and for torchcodec, where FFmpeg is not installed, `av`, whose
FFmpeg it takes then; what is not there is left out and said.

Every pipeline reads the same files in one process and one thread, in batches of 64, and ends in the same numbers: the
largest difference is printed. `framework` is audio_folder without its cache and the front end of the models, and
`framework, kept` with it, from the second epoch on. `librosa` is its `load` and `melspectrogram` for each file,
`torchcodec` its decoder, soxr, `torch.stft` and a product; its own resampling, which is measured beside it, gives other
numbers. `AST` and `Whisper` are the feature extractors of transformers on what soundfile reads and soxr resamples,
against `framework` with the front ends for those networks; Whisper fills up every clip to 30 s. Rounds are interleaved,
and a ratio is taken inside its round.

The sets are made of chords in noise: `words` are 16 kHz WAV files of a second, as Speech Commands has; `scenes` are
stereo FLAC files of five seconds at 44.1 kHz, brought to 16 kHz and one channel; `songs` are MP3 files of ten.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import torch

from framework_core import registry
from framework_plugins_audio.front_end.features import FrontEnd
from framework_plugins_audio.front_end.of_checkpoints import ASTFeatures, WhisperFeatures
from framework_plugins_audio.front_end.spec_augment import SpecAugment


class Made(NamedTuple):
    """How a set is made."""

    ending: str
    rate: int
    channels: int
    seconds: float
    count: int


SETS = {
    "words": Made("wav", 16_000, 1, 1.0, 512),
    "scenes": Made("flac", 44_100, 2, 5.0, 96),
    "songs": Made("mp3", 44_100, 2, 10.0, 64),
}
RATE, BATCH, BANDS, WINDOW, HOP, POINTS, FLOOR = 16_000, 64, 64, 400, 160, 512, 1e-10
AST_FRAMES, WHISPER_FRAMES = 1024, 3000
MEAN, DEVIATION = -4.2677393, 4.5689974
"""What AST takes off and divides by."""

Batches = Iterator[Any]


def make(folder: Path, made: Made) -> Path:
    """Files of two classes."""
    chance = np.random.default_rng(0)
    time_ = np.arange(round(made.seconds * made.rate)) / made.rate
    for number in range(made.count):
        pitch = chance.uniform(100, 800) * np.arange(1, 6)
        chord = sum(np.sin(2 * np.pi * each * time_ + chance.uniform(0, 6)) for each in pitch) / 20
        sound = chord[:, None] + 0.02 * chance.standard_normal((len(time_), made.channels))
        path = folder / ("low", "high")[number % 2] / f"{number:04}.{made.ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, made.rate)
    return folder


def module_of(folder: Path, cache: str) -> Any:
    """The datamodule of the files."""
    module = registry.create_dataset(
        "audio_folder",
        path=str(folder),
        sample_rate=RATE,
        batch_size=BATCH,
        num_workers=0,
        cache=cache,
        val_fraction=0,
        test_fraction=0,
    )
    module.setup("fit")
    return module


def framework(folder: Path, cache: str = "none", front_end: torch.nn.Module | None = None) -> Callable[[], Batches]:
    """Batches of the datamodule through a front end."""
    module = module_of(folder, cache)
    features = front_end or FrontEnd(RATE, n_mels=BANDS, normalization="none")
    features.eval()

    def batches() -> Batches:
        with torch.inference_mode():
            for sound, _ in module.loader(module.train_dataset):
                found = features(sound)
                yield found[:, 0] if found.ndim == 4 else found

    return batches


def parts(folder: Path) -> list[list[str]]:
    """The files in the order of the datamodule, a list a batch."""
    names = [clip.recording.name for clip in module_of(folder, "none").train_dataset.clips]
    return [names[first : first + BATCH] for first in range(0, len(names), BATCH)]


def librosa_batches(folder: Path) -> Callable[[], Batches]:
    """librosa, a file at a time."""
    import librosa

    def one(path: str) -> Any:
        sound, _ = librosa.load(path, sr=RATE, mono=True)
        powers = librosa.feature.melspectrogram(
            y=sound, sr=RATE, n_fft=POINTS, win_length=WINDOW, hop_length=HOP, n_mels=BANDS
        )
        return np.log(np.maximum(powers, FLOOR))

    files = parts(folder)
    return lambda: (torch.from_numpy(np.stack([one(path) for path in part])) for part in files)


def torchcodec_batches(folder: Path, *, by_soxr: bool) -> Callable[[], Batches]:
    """The decoder of torchcodec, which resamples where soxr does not; torch's transform; librosa's bands."""
    import librosa
    from torchcodec.decoders import AudioDecoder

    def decoded(path: str) -> torch.Tensor:
        if not by_soxr:
            return AudioDecoder(path, sample_rate=RATE, num_channels=1).get_all_samples().data[0]
        found = AudioDecoder(path).get_all_samples()
        return torch.from_numpy(soxr.resample(found.data.mean(0).numpy(), found.sample_rate, RATE))

    bank = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=POINTS, n_mels=BANDS))
    taper = torch.hann_window(WINDOW)
    files = parts(folder)

    def batches() -> Batches:
        with torch.inference_mode():
            for part in files:
                sound = torch.nn.utils.rnn.pad_sequence([decoded(path) for path in part], batch_first=True)
                spectrum = torch.stft(
                    sound, POINTS, HOP, WINDOW, taper, center=True, pad_mode="constant", return_complex=True
                )
                yield (bank @ spectrum.abs().square()).clamp(min=FLOOR).log()

    return batches


def read(path: str) -> Any:
    """A file by soundfile and soxr: one channel at 16 kHz."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(sound.mean(axis=1), rate, RATE)


def extractor_batches(folder: Path, extractor: Any, key: str) -> Callable[[], Batches]:
    """A feature extractor of transformers."""
    files = parts(folder)

    def batches() -> Batches:
        for part in files:
            yield extractor([read(path) for path in part], sampling_rate=RATE, return_tensors="pt")[key]

    return batches


def ast_batches(folder: Path) -> Callable[[], Batches]:
    """That of the Audio Spectrogram Transformer."""
    from transformers import ASTFeatureExtractor

    return extractor_batches(folder, ASTFeatureExtractor(), "input_values")


def whisper_batches(folder: Path) -> Callable[[], Batches]:
    """That of Whisper."""
    from transformers import WhisperFeatureExtractor

    return extractor_batches(folder, WhisperFeatureExtractor(), "input_features")


def ours_for_ast(folder: Path) -> Callable[[], Batches]:
    """The framework with the front end of AST."""
    none = SpecAugment(band_masks=0, bands=0, time_masks=0, frames=0, share=0.5)
    return framework(folder, front_end=ASTFeatures(128, AST_FRAMES, mean=MEAN, deviation=DEVIATION, spec_augment=none))


def ours_for_whisper(folder: Path) -> Callable[[], Batches]:
    """The framework with the front end of Whisper."""
    return framework(folder, front_end=WhisperFeatures(80, WHISPER_FRAMES))


PIPELINES: dict[str, Callable[[Path], Callable[[], Batches]]] = {
    "framework": framework,
    "framework, kept": lambda folder: framework(folder, "memory"),
    "librosa": librosa_batches,
    "torchcodec": lambda folder: torchcodec_batches(folder, by_soxr=True),
    "torchcodec, its resampling": lambda folder: torchcodec_batches(folder, by_soxr=False),
    "framework for AST": ours_for_ast,
    "AST": ast_batches,
    "framework for Whisper": ours_for_whisper,
    "Whisper": whisper_batches,
}
AGAINST = {
    "librosa": "framework",
    "torchcodec": "framework",
    "torchcodec, its resampling": "framework",
    "AST": "framework for AST",
    "Whisper": "framework for Whisper",
}
"""What each is compared with."""


def rate_of(batches: Callable[[], Batches]) -> float:
    """Clips a second of the processor's time, over an epoch."""
    began = time.process_time()
    count = sum(len(batch) for batch in batches())
    return count / (time.process_time() - began)


def difference(ours: Callable[[], Batches], theirs: Callable[[], Batches]) -> float:
    """The largest difference between two features."""
    return max(float((a - b).abs().max()) for a, b in zip(ours(), theirs(), strict=True))


def built(folder: Path) -> dict[str, Callable[[], Batches]]:
    """The pipelines that are possible here; why not, for the others."""
    found = {}
    for name, build in PIPELINES.items():
        try:
            pipeline = build(folder)
            next(iter(pipeline()))
            found[name] = pipeline
        except (ImportError, RuntimeError) as error:
            print(f"left out: {name}: {str(error).partition(chr(10))[0]}", file=sys.stderr)
    return found


def compare(name: str, folder: Path, rounds: int) -> None:
    """Print each pipeline's median, and how much faster the framework is."""
    made = SETS[name]
    pipelines = built(folder)
    print(
        f"\n{name}: {made.count} .{made.ending} files of {made.seconds:g} s, {made.rate:,} Hz, {made.channels} channels"
    )
    found: dict[str, list[float]] = {each: [] for each in pipelines}
    for _ in range(rounds):
        for each, pipeline in pipelines.items():
            found[each].append(rate_of(pipeline))
    print("| pipeline | clips/s of CPU | framework is faster | largest difference |\n|---|---|---|---|")
    for each, figures in found.items():
        against = AGAINST.get(each)
        ratio = off = ""
        if against is not None:
            ratio = f"{statistics.median(a / b for a, b in zip(found[against], figures, strict=True)):.2f}"
            off = f"{difference(pipelines[against], pipelines[each]):.1e}"
        print(f"| {each} | {statistics.median(figures):,.0f} | {ratio} | {off} |", flush=True)


def with_ffmpeg() -> None:
    """Start again with the FFmpeg of PyAV where torchcodec finds none: its libraries have other names there."""
    if os.environ.get("AUDIO_INPUT_FFMPEG"):
        return
    try:
        import torchcodec
        from torchcodec.decoders import AudioDecoder  # noqa: F401
    except (ImportError, RuntimeError):
        return
    libraries = Path(torchcodec.__file__).parent.parent / "av.libs"
    place = Path(tempfile.mkdtemp())
    for library in libraries.glob("lib*.so.*") if libraries.is_dir() else ():
        stem, _, version = library.name.partition(".so.")
        (place / f"{stem.rpartition('-')[0]}.so.{version.partition('.')[0]}").symlink_to(library)
    path = os.pathsep.join([os.environ.get("LD_LIBRARY_PATH", ""), str(place), str(libraries)]).strip(os.pathsep)
    os.execve(  # noqa: S606  # a process finds libraries by what its environment was when it began
        sys.executable, [sys.executable, *sys.argv], {**os.environ, "LD_LIBRARY_PATH": path, "AUDIO_INPUT_FFMPEG": "1"}
    )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=list(SETS), help="one set, can be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    with_ffmpeg()
    torch.set_num_threads(1)
    for name in chosen.set or SETS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FRAMEWORK_CACHE"] = f"{folder}/cache"
            compare(name, make(Path(folder) / "sounds", SETS[name]), chosen.rounds)


if __name__ == "__main__":
    main()
