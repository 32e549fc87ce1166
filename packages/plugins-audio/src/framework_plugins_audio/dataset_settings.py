"""The settings of datasets of sound. Read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

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

    shift: float = Field(default=0.0, ge=0)
    """How many seconds a training sound is moved at most, to its end or its beginning, with zeros in its place."""

    gain: float = Field(default=0.0, ge=0)
    """How many decibels louder or softer a training sound becomes at most."""

    noise_snr: tuple[float, float] | None = None
    """How many decibels noise lies below a training sound, from and to: ``[5, 30]``; empty adds none."""

    noise: str | None = None
    """The folder with recordings of noise, of which pieces are added; empty adds white noise."""

    noise_prob: float = Field(default=1.0, gt=0, le=1)
    """The share of training sounds with noise."""

    mixup: float = Field(default=0.0, ge=0)
    """The alpha of mixup (https://arxiv.org/abs/1710.09412): two training sounds become one, and their classes shares
    of classes; 0 does not."""

    mix_prob: float = Field(default=1.0, gt=0, le=1)
    """The share of training sounds that are mixed."""

    @field_validator("noise_snr")
    @classmethod
    def _from_and_to(cls, snr: tuple[float, float] | None) -> tuple[float, float] | None:
        if snr is not None and snr[0] > snr[1]:
            raise ValueError(f"goes from the louder noise to the fainter one: [{snr[1]:g}, {snr[0]:g}]")
        return snr

    @model_validator(mode="after")
    def _how_loud_noise_is(self) -> AudioDataConfig:
        if self.noise is not None and self.noise_snr is None:
            raise ValueError("noise has an effect with noise_snr only: noise_snr=[5,30]")
        return self


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


class SpeechCommandsConfig(PublishedSoundsConfig):
    """Words of a second."""

    classes: Literal[12, 35] = 35
    """All 35 words; or 12 classes: ten words, ``_unknown_`` for some of the others, and ``_silence_``."""

    split_seed: NonNegativeInt = 0
    """With 12 classes, decides which other words and which silence are taken."""


class FoldedSoundsConfig(PublishedSoundsConfig):
    """Published sets with folds."""

    fold: PositiveInt = 1
    """The fold to test on."""

    val_fold: NonNegativeInt | None = None
    """The fold to validate on; empty is the next one, and 0 none: what is left is trained on."""

    @model_validator(mode="after")
    def _two_folds(self) -> FoldedSoundsConfig:
        if self.fold == self.val_fold:
            raise ValueError("fold and val_fold are the same; val_fold=0 validates on none")
        return self


class Esc50Config(FoldedSoundsConfig):
    """Environmental sounds."""

    classes: Literal[10, 50] = 50
    """All 50 classes; or 10, which is ESC-10."""


class AudioFolderConfig(AudioFilesConfig):
    """Folders of sounds."""

    path: str
    """The folder: one folder for each class in it, or train, val and test folders of those."""

    val_fraction: Share = 0.1
    """The share kept for validation where there is no val folder."""

    test_fraction: Share = 0.1
    """The share kept for the test where there is no test folder."""

    split_seed: NonNegativeInt = 0
    """Decides which sounds go where."""


class AudioManifestConfig(AudioFilesConfig):
    """A table of sounds and what is to be predicted of each."""

    path: str
    """The table: .csv, .tsv, .jsonl or .parquet, one row a sound; that of training where there are others."""

    val_path: str | None = None
    """Another table, for validation."""

    test_path: str | None = None
    """Another table, for the test."""

    audio_root: str | None = None
    """The folder that paths are relative to; empty is the table's own."""

    path_column: str | None = None
    """The column of paths; empty tells it by its name: path, file, filename, audio ..."""

    task: Literal["audio-classification", "audio-tagging", "audio-regression"] = "audio-classification"
    """What is to be learned: one class, several tags, or numbers."""

    target_columns: str | tuple[str, ...] | None = None
    """The column of the class, or of tags with a separator; several columns of 0 and 1, or of numbers; empty tells it
    by its name: label, class, category, tags ..."""

    separator: str | None = Field(default=None, min_length=1)
    """What stands between the tags of a sound, where one column names them all."""

    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What stands between the columns of a CSV file; empty is a comma, and a tab for .tsv."""

    split_column: str | None = None
    """The column that says train, val or test; empty takes one called split, set or subset."""

    fold_column: str | None = None
    """The column of folds; empty takes one called fold."""

    fold: str | None = None
    """The fold to test on; empty does not go by folds."""

    val_fold: str | None = None
    """The fold to validate on; empty is the next one, and '' none."""

    group_columns: tuple[str, ...] = ()
    """What sounds belong to: the test is told for each of them too; empty takes columns called speaker, fold ..."""

    keep_together: str | None = None
    """A column, as of speakers: what has one value there stays in one split."""

    start_column: str | None = None
    """Where a sound begins in its file, in seconds; empty takes one called start, begin or onset."""

    end_column: str | None = None
    """Where it ends, in seconds; empty takes one called end, stop or offset."""

    val_fraction: Share = 0.1
    """The share kept for validation where nothing else says which sounds those are."""

    test_fraction: Share = 0.1
    """The share kept for the test where nothing else says which sounds those are."""

    split_seed: NonNegativeInt = 0
    """Decides which sounds go where."""

    @field_validator("fold", "val_fold", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _one_way(self) -> AudioManifestConfig:
        ways = {
            "val_path or test_path": self.val_path or self.test_path,
            "split_column": self.split_column,
            "fold": self.fold,
            "keep_together": self.keep_together,
        }
        if len(given := [name for name, value in ways.items() if value]) > 1:
            raise ValueError(f"{' and '.join(given)} are ways to split that exclude each other; set one of them")
        if self.fold is None and (self.val_fold is not None or self.fold_column is not None):
            raise ValueError("val_fold and fold_column have an effect with fold only")
        if self.fold is not None and self.fold == self.val_fold:
            raise ValueError("fold and val_fold are the same; val_fold='' validates on none")
        return self._checked_targets()

    def _checked_targets(self) -> AudioManifestConfig:
        several = isinstance(self.target_columns, tuple) and len(self.target_columns) > 1
        if self.separator and self.task != "audio-tagging":
            raise ValueError("separator has a meaning with task=audio-tagging only")
        if self.separator and several:
            raise ValueError("separator is for one column of tags, and target_columns names several")
        if several and self.task == "audio-classification":
            raise ValueError(
                "several target_columns need task=audio-tagging or audio-regression; a class is one column"
            )
        return self


class HuggingFaceAudioConfig(AudioFilesConfig):
    """A dataset of the Hugging Face hub."""

    path: str
    """An id of the hub, user/name; or a folder: of save_to_disk, or of Parquet files."""

    subset: str | None = None
    """The subset, which the hub calls config."""

    revision: str | None = None
    """The version on the hub: a branch, a tag or a commit."""

    audio_column: str | None = None
    """The column of sounds; empty takes the one that holds sounds."""

    label_column: str | None = None
    """The column of labels; empty takes the one that holds classes."""

    group_columns: tuple[str, ...] = ()
    """What sounds belong to: the test is told for each of them too; empty takes columns called speaker_id ..."""

    train_split: str = "train"
    """The split to train on."""

    val_split: str | None = None
    """The split to validate on; empty looks for one."""

    test_split: str | None = None
    """The split to test on; empty takes test."""

    val_fraction: Share = 0.1
    """The share kept for validation where there is no such split."""

    test_fraction: Share = 0.1
    """The share kept for the test where there is no such split."""

    split_seed: NonNegativeInt = 0
    """Decides which sounds go where."""
