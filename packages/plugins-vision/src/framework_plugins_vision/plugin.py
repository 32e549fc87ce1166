"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core import hookimpl
from framework_core.contracts import ComponentSpec, DatasetSpec, ModelSpec, OptimizerSpec, SchedulerSpec
from framework_plugins_vision.published import FILES
from framework_plugins_vision.timm_catalogue import architectures

CLASSIFICATION = ("image-classification",)
OF_IMAGES = ("image-classification", "multi-label-classification", "regression")
OF_PIXELS = (*OF_IMAGES, "semantic-segmentation")
RESNET_PAPER = "He et al., Deep Residual Learning for Image Recognition, https://arxiv.org/abs/1512.03385"
WIDE_RESNET_PAPER = "Zagoruyko and Komodakis, Wide Residual Networks, https://arxiv.org/abs/1605.07146"
VIT_PAPER = "Dosovitskiy et al., An Image is Worth 16x16 Words, https://arxiv.org/abs/2010.11929"
CIFAR_REPORT = (
    "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, "
    "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf"
)
TIMM_SCHEDULERS = {
    "timm_cosine": ("TimmCosine", "Half a cosine down, in one cycle or several; timm's"),
    "timm_multistep": ("TimmMultiStep", "Times a rate at given epochs; timm's"),
    "timm_poly": ("TimmPoly", "A power of what is left; timm's"),
    "timm_step": ("TimmStep", "Times a rate every few epochs; timm's"),
    "timm_tanh": ("TimmTanh", "Falls as a hyperbolic tangent, in one cycle or several; timm's"),
}
_MNISTS = (
    (
        "mnist",
        "MNIST: 70,000 handwritten digits",
        12,
        "CC-BY-SA-3.0",
        "LeCun et al., Gradient-Based Learning Applied to Document Recognition, https://doi.org/10.1109/5.726791",
    ),
    (
        "fashion_mnist",
        "Fashion-MNIST: 70,000 pieces of clothing",
        31,
        "MIT",
        "Xiao et al., Fashion-MNIST: a Novel Image Dataset, https://arxiv.org/abs/1708.07747",
    ),
)
CIFAR_RESNETS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018}
"""Depth, and parameters for 10 classes of RGB images."""


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package, and what timm has to train them."""
    yield from _own_models()
    yield from _timm_models()
    yield from _datasets()
    yield from _training()


@hookimpl
def register_config_packages() -> list[str]:
    """The experiments of this package."""
    return ["framework_plugins_vision.conf"]


def _training() -> Iterable[ComponentSpec]:
    yield OptimizerSpec(
        name="lamb",
        builder="timm.optim:Lamb",
        shards="tensors",
        config="framework_plugins_vision.timm_settings:Lamb",
        summary="AdamW with a step for each layer as long as its weights, for large batches; timm's",
        paper="You et al., Large Batch Optimization for Deep Learning, https://arxiv.org/abs/1904.00962",
    )
    for name, (settings, summary) in TIMM_SCHEDULERS.items():
        yield SchedulerSpec(
            name=name,
            builder=f"framework_plugins_vision.timm_schedulers:{name}",
            config=f"framework_plugins_vision.timm_settings:{settings}",
            summary=summary,
        )


def _own_models() -> Iterable[ModelSpec]:
    for depth, parameters in CIFAR_RESNETS.items():
        yield ModelSpec(
            name=f"resnet{depth}",
            domain="vision",
            tasks=OF_IMAGES,
            summary=f"ResNet-{depth} for images of about 32x32, {parameters / 1e6:.2f} M parameters",
            builder="framework_plugins_vision.models.cifar_resnet:CifarResNet",
            config="framework_plugins_vision.settings:CifarResNetConfig",
            tags=("small-images", "resnet"),
            licence="MIT",
            paper=RESNET_PAPER,
            parameters=parameters,
            exports=("onnx", "torch-export"),
        )
    yield ModelSpec(
        name="wide_resnet28_10",
        domain="vision",
        tasks=OF_IMAGES,
        summary="Wide ResNet 28-10 for images of about 32x32, 36.48 M parameters",
        builder="framework_plugins_vision.models.wide_resnet:WideResNet",
        config="framework_plugins_vision.settings:WideResNetConfig",
        tags=("small-images", "resnet"),
        licence="MIT",
        paper=WIDE_RESNET_PAPER,
        parameters=36_479_194,
        exports=("onnx", "torch-export"),
    )
    yield ModelSpec(
        name="vit",
        domain="vision",
        tasks=OF_IMAGES,
        summary="A small vision transformer for images of about 32x32, 2.69 M parameters",
        builder="framework_plugins_vision.models.small_vit:SmallViT",
        config="framework_plugins_vision.settings:SmallViTConfig",
        tags=("small-images", "transformer"),
        licence="MIT",
        paper=VIT_PAPER,
        parameters=2_693_194,
        exports=("onnx", "torch-export"),
    )


def _timm_models() -> Iterable[ModelSpec]:
    for each in architectures():
        yield ModelSpec(
            name=each.name,
            domain="vision",
            tasks=OF_PIXELS,
            summary=each.summary,
            builder="framework_plugins_vision.models.timm_adapter:TimmModel",
            config="framework_plugins_vision.settings:TimmConfig",
            tags=("timm", each.family),
            licence=each.licence,
            paper=each.paper,
            weights=each.weights,
            parameters=each.parameters,
        )


def _datasets() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="digits",
        domain="vision",
        tasks=CLASSIFICATION,
        summary="1,797 handwritten digits that come with scikit-learn, 10 classes",
        builder="framework_plugins_vision.datasets.digits:Digits",
        config="framework_plugins_vision.settings:DigitsConfig",
        tags=("small-images", "built-in"),
        licence="CC-BY-4.0",
        paper="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, https://doi.org/10.24432/C50P49",
        default=True,
    )
    for classes in (10, 100):
        yield DatasetSpec(
            name=f"cifar{classes}",
            domain="vision",
            tasks=CLASSIFICATION,
            summary=f"CIFAR-{classes}: 60,000 colour images of 32x32 in {classes} classes, fetched once (170 MB)",
            files=FILES[f"cifar{classes}"],
            builder="framework_plugins_vision.datasets.cifar:Cifar",
            config="framework_plugins_vision.settings:CifarConfig",
            tags=("small-images", "download"),
            paper=CIFAR_REPORT,
        )
    for name, summary, size, licence, paper in _MNISTS:
        yield DatasetSpec(
            name=name,
            domain="vision",
            tasks=CLASSIFICATION,
            summary=f"{summary} of 28x28 in 10 classes, fetched once ({size} MB)",
            files=FILES[name],
            builder="framework_plugins_vision.datasets.mnist:Mnist",
            config="framework_plugins_vision.settings:MnistConfig",
            tags=("small-images", "download"),
            licence=licence,
            paper=paper,
        )
    yield DatasetSpec(
        name="image_folder",
        domain="vision",
        tasks=CLASSIFICATION,
        summary="Your own images: a folder for each class, or train/val/test folders of them",
        builder="framework_plugins_vision.datasets.image_folder:ImageFolder",
        config="framework_plugins_vision.settings:ImageFolderConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="image_csv",
        domain="vision",
        tasks=(*CLASSIFICATION, "multi-label-classification", "regression"),
        summary="Your own images named in a CSV or Parquet table: a class, several classes or numbers each",
        builder="framework_plugins_vision.datasets.image_csv:ImageCsv",
        config="framework_plugins_vision.dataset_settings:ImageCsvConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="imagenet",
        domain="vision",
        tasks=CLASSIFICATION,
        summary="ImageNet or a set in its layout: train and val folders of classes by WordNet id",
        builder="framework_plugins_vision.datasets.imagenet:ImageNet",
        config="framework_plugins_vision.dataset_settings:ImageNetConfig",
        tags=("own-data",),
        paper="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, https://arxiv.org/abs/1409.0575",
    )
    yield DatasetSpec(
        name="image_masks",
        domain="vision",
        tasks=("semantic-segmentation",),
        summary="Your own images with a mask each: the class of every pixel",
        builder="framework_plugins_vision.datasets.image_masks:ImageMasks",
        config="framework_plugins_vision.dataset_settings:ImageMasksConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="webdataset",
        domain="vision",
        tasks=CLASSIFICATION,
        summary="Shards of a WebDataset: tar files of images and labels, read in turn",
        builder="framework_plugins_vision.datasets.webdataset:WebDataset",
        config="framework_plugins_vision.dataset_settings:WebDatasetConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="huggingface",
        domain="vision",
        tasks=CLASSIFICATION,
        summary="A dataset of images from the Hugging Face hub by its id, or saved on the disk",
        builder="framework_plugins_vision.datasets.huggingface:HuggingFaceImages",
        config="framework_plugins_vision.dataset_settings:HuggingFaceConfig",
        tags=("own-data", "download"),
        requires=("datasets>=3.2",),
    )
