"""The settings of this package's models and datasets. Read without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig

Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Mean = Annotated[tuple[float, ...], Field(min_length=1, max_length=4)]


class TimmConfig(ComponentConfig):
    """What every timm architecture takes."""

    pretrained: bool | str = False
    """Whether to start from pretrained weights: true, or the name of one set of them (fw info model NAME)."""

    weights: str | None = None
    """A local file of weights to start from, .safetensors or .pth."""

    drop_rate: Rate | None = None
    """Dropout before the classifier."""

    drop_path_rate: Rate | None = None
    """Stochastic depth (https://arxiv.org/abs/1603.09382)."""

    global_pool: str | None = None
    """How features become one vector: avg, max, token, map ..., as the architecture allows."""

    img_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
    """The input size, for architectures that are built for one; empty takes the data's."""

    cache_dir: str | None = None
    """Where downloaded weights are kept; empty takes the hub's own place."""

    args: dict[str, Any] = Field(default_factory=dict)
    """Any other parameter that the architecture takes in timm."""

    @model_validator(mode="after")
    def _one_start(self) -> TimmConfig:
        if self.pretrained and self.weights is not None:
            raise ValueError("model.pretrained and model.weights are two places to start from; set one of them")
        return self

    def settings(self) -> dict[str, Any]:
        """With the architecture, which is the name."""
        return {**super().settings(), "architecture": self.name.rpartition(":")[2]}


class CifarResNetConfig(ComponentConfig):
    """Nothing to set: the name says the depth."""

    def settings(self) -> dict[str, Any]:
        """The depth, which the name says."""
        return {"depth": int(self.name.rpartition("resnet")[2])}


class WideResNetConfig(ComponentConfig):
    """A wide residual network."""

    depth: Literal[10, 16, 22, 28, 34, 40] = 28
    """How many layers deep."""

    widen: PositiveInt = 10
    """How many times wider than a plain one."""

    drop_rate: Rate = 0.0
    """Dropout inside each block."""


class SmallViTConfig(ComponentConfig):
    """A vision transformer for small images."""

    patch_size: PositiveInt = 4
    """The side of a patch, in pixels."""

    width: PositiveInt = 192
    """The length of a token."""

    depth: PositiveInt = 6
    """How many blocks."""

    heads: PositiveInt = 3
    """How many attention heads."""

    drop_rate: Rate = 0.0
    """Dropout in each block."""

    @model_validator(mode="after")
    def _whole_heads(self) -> SmallViTConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class VisionDataConfig(ComponentConfig):
    """What every image dataset takes."""

    batch_size: PositiveInt = 64
    """How many images make a batch."""

    num_workers: NonNegativeInt | None = None
    """How many processes load images; empty takes none for data in memory, and otherwise one a core."""


class DigitsConfig(VisionDataConfig):
    """Handwritten digits."""

    image_size: int = Field(default=32, ge=8, le=512)
    """The side of the images; they are 8x8 and shown larger."""

    augmentation: Literal["none", "standard"] = "standard"
    """What happens to training images: nothing, or a random shift by up to a tenth of their side."""

    val_fraction: Share = 0.15
    """The share kept for validation."""

    test_fraction: Share = 0.15
    """The share kept for the test."""

    split_seed: NonNegativeInt = 0
    """Decides which images go where."""


class PublishedImagesConfig(VisionDataConfig):
    """What published sets of small images take."""

    path: str | None = None
    """The folder with the published files, archives unpacked; empty fetches them into the user's cache, once."""

    mirror: str | None = None
    """Another address to fetch the files from, tried first: the folder that they are in."""

    augmentation: Literal["none", "standard"] = "standard"
    """What happens to training images: nothing, or a random shift, and a flip where that gives such an image."""

    val_fraction: Share = 0.1
    """The share of the training images kept for validation."""

    split_seed: NonNegativeInt = 0
    """Decides which images go where."""


class CifarConfig(PublishedImagesConfig):
    """CIFAR-10 or CIFAR-100: the name says which."""

    def settings(self) -> dict[str, Any]:
        """With the number of classes, which the name says."""
        return {**super().settings(), "classes": int(self.name.rpartition("cifar")[2])}


class MnistConfig(PublishedImagesConfig):
    """MNIST or Fashion-MNIST: the name says which."""

    def settings(self) -> dict[str, Any]:
        """With the edition, which is the name."""
        return {**super().settings(), "edition": self.name.rpartition(":")[2]}


class ImageFilesConfig(VisionDataConfig):
    """What every dataset of image files takes."""

    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] = 224
    """The size images are brought to: a side, or height and width."""

    channels: Literal[1, 3] = 3
    """1 for grey, 3 for colour."""

    augmentation: Literal["none", "standard"] = "standard"
    """What happens to training images: nothing, or a random crop and a flip."""

    min_crop: float = Field(default=0.35, gt=0, le=1)
    """The smallest share of an image that a random crop keeps."""

    flip: bool = True
    """Whether the standard augmentation mirrors half of the images."""

    crop_pct: float = Field(default=0.875, gt=0, le=1)
    """The share of the side that the centre crop of validation keeps."""

    mean: Mean = (0.485, 0.456, 0.406)
    """Subtracted from each channel, whose values run from 0 to 1."""

    std: Mean = (0.229, 0.224, 0.225)
    """What each channel is divided by."""

    on_error: Literal["refuse", "skip"] = "refuse"
    """What is done with an image that cannot be read: it is refused, or left out with a warning."""


class CheckedImagesConfig(ImageFilesConfig):
    """What datasets take whose images lie in files of their own."""

    verify: Literal["full", "quick", "none"] = "full"
    """Whether every image is decoded before training, or only its beginning and end are looked at, or its size."""

    cache: Literal["auto", "memory", "none"] = "auto"
    """Whether decoded images are kept in memory; ``auto`` does where they take 256 MB at most."""


class ImageFolderConfig(CheckedImagesConfig):
    """Folders of images."""

    path: str
    """The folder: one folder for each class in it, or train, val and test folders of those."""

    val_fraction: Share = 0.1
    """The share kept for validation where there is no val folder."""

    test_fraction: Share = 0.1
    """The share kept for the test where there is no test folder."""

    split_seed: NonNegativeInt = 0
    """Decides which images go where."""
