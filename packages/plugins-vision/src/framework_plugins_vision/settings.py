"""The settings of this package's models and datasets. Read without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig

Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Loss = Literal["cross_entropy", "bce", "mse", "l1", "huber", "dice", "cross_entropy_dice"]
Mean = Annotated[tuple[float, ...], Field(min_length=1, max_length=4)]


class VisionModelConfig(ComponentConfig):
    """What every model for images takes; what makes no sense for the data's task is refused when the data is known."""

    loss: Loss | None = None
    """What is made small; empty takes the task's own: cross_entropy, bce for several labels, mse for numbers,
    cross_entropy_dice for masks."""

    label_smoothing: Rate = 0.0
    """The share of a label that is spread over all classes (https://arxiv.org/abs/1512.00567, section 7)."""

    bce_threshold: float | None = Field(default=None, ge=0, lt=1)
    """With ``loss=bce``: a share of a class above it counts as the whole class, any other as none."""

    huber_delta: float = Field(default=1.0, gt=0)
    """With ``loss=huber``: the error up to which it is a square."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """With several labels: the probability from which an image has a class, in F1 and in predictions."""


class TimmConfig(VisionModelConfig):
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

    decoder: Literal["unet", "fpn"] = "unet"
    """For masks: what turns the features of the encoder into a class for each pixel."""

    decoder_width: PositiveInt = 128
    """For masks: the channels of the decoder at its widest."""

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


class CifarResNetConfig(VisionModelConfig):
    """A residual network; its name says the depth."""

    def settings(self) -> dict[str, Any]:
        """The depth, which the name says."""
        return {**super().settings(), "depth": int(self.name.rpartition("resnet")[2])}


class WideResNetConfig(VisionModelConfig):
    """A wide residual network."""

    depth: Literal[10, 16, 22, 28, 34, 40] = 28
    """How many layers deep."""

    widen: PositiveInt = 10
    """How many times wider than a plain one."""

    drop_rate: Rate = 0.0
    """Dropout inside each block."""


class SmallViTConfig(VisionModelConfig):
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
    """How many processes load images; empty takes none for data in memory, and otherwise what a short trial says; on a
    GPU one a core, sixteen at most."""

    mixup: float = Field(default=0.0, ge=0)
    """The alpha of mixup (https://arxiv.org/abs/1710.09412): another training image shines through each."""

    cutmix: float = Field(default=0.0, ge=0)
    """The alpha of cutmix (https://arxiv.org/abs/1905.04899): a rectangle of another image pasted in."""

    mix_prob: float = Field(default=1.0, gt=0, le=1)
    """The share of batches that are mixed; each in one way where mixup and cutmix are both on."""

    random_erasing: Rate = 0.0
    """The share of training images from which a rectangle is erased (https://arxiv.org/abs/1708.04896)."""

    repeated_augmentation: PositiveInt = 1
    """How many times a sample is taken in a row, augmented anew (https://arxiv.org/abs/1901.09335)."""

    @model_validator(mode="after")
    def _something_to_mix(self) -> VisionDataConfig:
        if self.mix_prob != 1 and not (self.mixup or self.cutmix):
            raise ValueError("mix_prob has an effect with mixup or cutmix only")
        return self


class PolicyConfig(VisionDataConfig):
    """What datasets take whose images are bytes while they are augmented."""

    auto_augment: Literal["randaugment", "trivialaugment"] | None = None
    """A policy beside the standard augmentation: https://arxiv.org/abs/1909.13719, https://arxiv.org/abs/2103.10158."""

    randaugment_magnitude: float = Field(default=9.0, ge=0, le=10)
    """How strong the operations of RandAugment are."""

    randaugment_ops: PositiveInt = 2
    """How many of them an image has."""

    randaugment_std: float = Field(default=0.5, ge=0)
    """By how much their strength varies."""

    @model_validator(mode="after")
    def _policy_that_is_used(self) -> PolicyConfig:
        names = ("randaugment_magnitude", "randaugment_ops", "randaugment_std")
        changed = [name for name in names if getattr(self, name) != type(self).model_fields[name].default]
        if changed and self.auto_augment != "randaugment":
            raise ValueError(f"{' and '.join(changed)} has an effect with auto_augment=randaugment only")
        if self.auto_augment and getattr(self, "augmentation", "standard") == "none":
            raise ValueError("auto_augment and augmentation=none exclude each other")
        return self


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


class PublishedImagesConfig(PolicyConfig):
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


class ImageFilesConfig(PolicyConfig):
    """What every dataset of image files takes."""

    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
    """The size images are brought to: a side, or height and width; empty takes the model's own, or 224."""

    channels: Literal[1, 3] = 3
    """1 for grey, 3 for colour."""

    augmentation: Literal["none", "standard"] = "standard"
    """What happens to training images: nothing, or a random crop and a flip."""

    min_crop: float = Field(default=0.35, gt=0, le=1)
    """The smallest share of an image that a random crop keeps."""

    flip: bool = True
    """Whether the standard augmentation mirrors half of the images."""

    crop_pct: float | None = Field(default=None, gt=0, le=1)
    """The share of the side that the centre crop of validation keeps; empty takes the model's own, or 0.875."""

    interpolation: Literal["bilinear", "bicubic", "nearest"] | None = None
    """How images are resized; empty takes the model's own, or bilinear."""

    mean: Mean | None = None
    """Subtracted from each channel, whose values run from 0 to 1; empty takes the model's own, or ImageNet's."""

    std: Mean | None = None
    """What each channel is divided by; empty takes the model's own, or ImageNet's."""

    on_error: Literal["refuse", "skip"] = "refuse"
    """What is done with an image that cannot be read: it is refused, or left out with a warning."""

    decode: Literal["fast", "exact"] = "fast"
    """How JPEG files of training are decoded: in less time, 1.6 levels of 255 off on average, or as for validation."""


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
