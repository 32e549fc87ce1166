"""The settings of datasets that read one's own files. Read without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from framework_plugins_vision.settings import CheckedImagesConfig, ImageFilesConfig, ImageFolderConfig, Share


class ImageCsvConfig(CheckedImagesConfig):
    """A table of images and what is to be predicted of each."""

    path: str
    """The table: .csv or .parquet, one row an image; with ``val_path`` and ``test_path`` that of training."""

    val_path: str | None = None
    """Another table, for validation."""

    test_path: str | None = None
    """Another table, for the test."""

    image_root: str | None = None
    """The folder that image paths are relative to; empty is the table's own."""

    image_column: str = "image"
    """The column of image paths."""

    task: Literal["image-classification", "multi-label-classification", "regression"] = "image-classification"
    """What is to be learned."""

    target_columns: str | tuple[str, ...] = "label"
    """The column of the class, or of classes with a separator; several columns of 0 and 1, or of numbers."""

    separator: str | None = Field(default=None, min_length=1)
    """What stands between the classes of an image, where one column names them all."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """What stands between the columns of a CSV file."""

    split_column: str | None = None
    """The column that says train, val or test."""

    val_fraction: Share = 0.1
    """The share kept for validation where nothing else says which images those are."""

    test_fraction: Share = 0.1
    """The share kept for the test where nothing else says which images those are."""

    split_seed: NonNegativeInt = 0
    """Decides which images go where."""

    @model_validator(mode="after")
    def _one_way(self) -> ImageCsvConfig:
        if self.split_column and (self.val_path or self.test_path):
            raise ValueError("split_column and val_path or test_path are two ways to split; set one of them")
        if self.separator and self.task != "multi-label-classification":
            raise ValueError("separator has a meaning with task=multi-label-classification only")
        if self.separator and not isinstance(self.target_columns, str) and len(self.target_columns) > 1:
            raise ValueError("separator is for one column of classes, and target_columns names several")
        if self.task == "image-classification" and len(self.columns) > 1:
            raise ValueError(
                "several target_columns need task=multi-label-classification or task=regression; a class is one column"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The target columns, one or several."""
        return (self.target_columns,) if isinstance(self.target_columns, str) else self.target_columns


class ImageNetConfig(ImageFolderConfig):
    """The layout of ImageNet: train and val folders of classes by their WordNet id."""

    class_names_file: str | None = None
    """The names of the classes: LOC_synset_mapping.txt or imagenet_class_index.json; empty looks for them."""

    verify: Literal["full", "quick", "none"] = "none"
    """Whether every image is decoded before training, or only its beginning and end are looked at, or its size."""

    val_fraction: Share = 0.0
    """The share kept for validation where there is no val folder."""

    test_fraction: Share = 0.0
    """The share of the training images kept for the test."""


class ImageMasksConfig(CheckedImagesConfig):
    """Images and, for each, a mask with the class of every pixel."""

    path: str
    """The folder: in it the folders of images and of masks, or train, val and test folders of those."""

    images: str = "images"
    """The folder of images."""

    masks: str = "masks"
    """The folder of masks: a PNG for each image, of its name and size."""

    classes: tuple[str, ...] | str | None = None
    """The names of the classes, in the order of their numbers, or a file with one a line; empty counts them."""

    mask_values: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = Field(default=None, min_length=2)
    """The number that a pixel of each class has, as [0,255]; empty where it is the number of the class itself."""

    ignore_index: int | None = Field(default=255, ge=0, le=255)
    """The number of pixels that belong to no class."""

    val_fraction: Share = 0.1
    """The share kept for validation where there is no val folder."""

    test_fraction: Share = 0.1
    """The share kept for the test where there is no test folder."""

    split_seed: NonNegativeInt = 0
    """Decides which images go where."""

    @model_validator(mode="after")
    def _moved_together(self) -> ImageMasksConfig:
        if self.auto_augment:
            raise ValueError("auto_augment changes images without their masks; it is for tasks without masks")
        return self

    @model_validator(mode="after")
    def _each_value_once(self) -> ImageMasksConfig:
        if self.mask_values and len(set(self.mask_values)) < len(self.mask_values):
            raise ValueError("mask_values names a number twice; each class has one of its own")
        return self


class WebDatasetConfig(ImageFilesConfig):
    """Shards of a WebDataset: tar files in which an image and its label stand side by side."""

    train: str
    """The shards of training: a pattern, ``shards/train-{000000..000009}.tar`` or ``shards/train-*.tar``."""

    val: str | None = None
    """Those of validation."""

    test: str | None = None
    """Those of the test."""

    label: str = "cls"
    """The ending of the label: a number in ``cls`` or ``txt``, or ``json.KEY`` for a key of a JSON file."""

    classes: tuple[str, ...] | str | None = None
    """The names of the classes, in the order of their numbers, or a file with one a line; empty counts them."""

    shuffle_buffer: PositiveInt = 1000
    """Training samples that are mixed in memory; shards are shuffled too."""

    @model_validator(mode="after")
    def _read_in_order(self) -> WebDatasetConfig:
        if self.repeated_augmentation > 1:
            raise ValueError("repeated_augmentation is not possible with shards, which are read once from end to end")
        return self


class HuggingFaceConfig(ImageFilesConfig):
    """A dataset of the Hugging Face hub, or one that was saved on the disk."""

    path: str
    """An id of the hub, ``user/name``, or a folder: of ``save_to_disk``, or of Parquet files."""

    subset: str | None = None
    """The subset, which the hub calls config."""

    revision: str | None = None
    """The version on the hub: a branch, a tag or a commit."""

    image_column: str | None = None
    """The column of images; empty takes the one that holds images."""

    label_column: str | None = None
    """The column of labels; empty takes the one that holds classes."""

    train_split: str = "train"
    """The split to train on."""

    val_split: str | None = None
    """The split to validate on; empty takes validation, valid, val or dev, else a share of training."""

    test_split: str | None = None
    """The split to test on; empty takes test where it has labels, else a share of training."""

    val_fraction: Share = 0.1
    """The share kept for validation where there is no such split."""

    test_fraction: Share = 0.1
    """The share kept for the test where there is no such split."""

    split_seed: NonNegativeInt = 0
    """Decides which images go where."""
