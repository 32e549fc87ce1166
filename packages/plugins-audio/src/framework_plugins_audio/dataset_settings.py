"""The settings of datasets of sound. Read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from framework_core.contracts import ComponentConfig

Share = Annotated[float, Field(ge=0, lt=1)]


class AudioDataConfig(ComponentConfig):
    """What every dataset of sound takes."""

    batch_size: PositiveInt = 64
    """How many sounds make a batch."""

    num_workers: NonNegativeInt | None = None
    """How many processes load sounds; empty takes none for data in memory, and otherwise what a short trial says; on a
    GPU one a core, sixteen at most."""

    stream_hop: PositiveFloat = 0.1
    """Seconds between two windows of what ``fw predict --stream`` follows."""


class DtmfConfig(AudioDataConfig):
    """Keys of a telephone, made on the spot."""

    count: int = Field(default=1_600, ge=64)
    """How many there are, of all splits together."""

    sample_rate: int | None = Field(default=None, ge=4_000)
    """Samples a second; empty takes what the model asks for, or 8,000."""

    seconds: float | None = Field(default=None, ge=0.05, le=10)
    """How long a sample is; empty takes what the model asks for, or 0.4."""

    lowest_snr: float = 0.0
    """How far the fainter tone stands above the noise at least, in dB; at most it is 30 dB more."""

    val_fraction: Share = 0.15
    """The share kept for validation."""

    test_fraction: Share = 0.15
    """The share kept for the test."""

    made_seed: NonNegativeInt = 0
    """Decides what is made, and which samples go where."""


class AudioFilesConfig(AudioDataConfig):
    """What every dataset of sound files takes."""

    sample_rate: PositiveInt | None = None
    """The samples a second that every file is brought to; empty takes what the model asks for, or the commonest of the
    training files."""

    channels: PositiveInt | None = None
    """1 is the mean of all channels of a file; any other number is what every file has to have. Empty takes what the
    model asks for, or 1."""

    seconds: PositiveFloat | None = None
    """How long a sample is; empty takes what the model asks for, or the longest training recording up to 10 s. What is
    longer becomes several samples, windows that overlap."""

    overlap: Share = 0.5
    """The share of a window that the next one has too, where a recording is longer than a sample."""

    verify: Literal["full", "quick"] = "full"
    """Whether every file is decoded once before training, or only its beginning looked at."""

    on_error: Literal["refuse", "skip"] = "refuse"
    """What is done with a file that cannot be read: it is refused, or left out with a warning."""

    cache: Literal["auto", "memory", "none"] = "auto"
    """Whether decoded recordings are kept in memory; ``auto`` does where they take 256 MB at most."""


class PublishedSoundsConfig(AudioFilesConfig):
    """What published sets take."""

    path: str | None = None
    """The folder with the published files, or their archive; empty fetches them into the user's cache, once."""

    mirror: str | None = None
    """Another address to fetch the files from, tried first: the folder that they are in."""


class FsddConfig(PublishedSoundsConfig):
    """Spoken digits."""

    test_speaker: str | None = None
    """A speaker to test on and not to train on; empty takes the official test, recordings 0 to 4 of each digit."""

    val_fraction: Share = 0.1
    """The share of the training recordings kept for validation."""

    split_seed: NonNegativeInt = 0
    """Decides which recordings go where."""
