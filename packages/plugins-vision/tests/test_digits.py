"""The data that comes with the package."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from framework_core import registry
from framework_core.errors import ConfigError

SPLITS = ("train", "val", "test")


@pytest.fixture
def digits():
    """The datamodule, set up."""

    def made(**settings):
        module = registry.create_dataset("digits", **settings)
        module.prepare_data()
        module.setup("fit")
        return module

    return made


def dataset_of(module, split):
    return getattr(module, f"{split}_dataset")


def all_of(module, split):
    dataset = dataset_of(module, split)
    return dataset.batch(torch.arange(len(dataset)))


def test_there_are_1797_images_of_32x32_in_ten_classes(digits):
    module = digits()
    assert sum(len(dataset_of(module, split)) for split in SPLITS) == 1797
    for split in SPLITS:
        images, labels = all_of(module, split)
        assert images.shape[1:] == (1, 32, 32)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert set(labels.tolist()) == set(range(10))


def test_the_data_spec_says_what_the_data_is(digits):
    module = digits()
    spec = module.data_spec()
    assert spec.task == "image-classification"
    assert spec.input_shape == (1, 32, 32)
    assert spec.input_dtype == "float32"
    assert spec.class_names == tuple("0123456789")
    assert spec.split_sizes == {split: len(dataset_of(module, split)) for split in SPLITS}
    assert sum(spec.class_counts.values()) == spec.split_sizes["train"]
    assert spec.class_counts == {str(k): v for k, v in Counter(all_of(module, "train")[1].tolist()).items()}
    assert spec.source == "sklearn.datasets.load_digits"


def test_each_class_has_its_share_in_each_split(digits):
    module = digits(val_fraction=0.2, test_fraction=0.1)
    whole = Counter(load_digits().target.tolist())
    for split, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        counts = Counter(all_of(module, split)[1].tolist())
        assert all(abs(counts[digit] - share * whole[digit]) <= 1 for digit in range(10))


def test_no_image_is_in_two_splits(digits):
    """The set holds no image twice, so pixels tell which is which."""
    module = digits(augmentation="none")
    seen = [image.numpy().tobytes() for split in SPLITS for image in all_of(module, split)[0]]
    assert len(set(seen)) == len(seen) == 1797


def test_a_label_belongs_to_its_image(digits):
    """What is stored as a digit looks, in the mean, as scikit-learn's own images of it do."""
    module = digits(augmentation="none", image_size=8)
    images, labels = all_of(module, "val")
    real = load_digits()
    for digit in range(10):
        mine = images[labels == digit].mean(dim=0).flatten().numpy()
        theirs = [real.data[real.target == other].mean(axis=0) for other in range(10)]
        assert max(range(10), key=lambda other: np.corrcoef(mine, theirs[other])[0, 1]) == digit


def test_the_same_seed_gives_the_same_split_and_another_does_not(digits):
    first, again, other = digits(), digits(), digits(split_seed=1)
    assert torch.equal(all_of(first, "test")[0], all_of(again, "test")[0])
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() != other.fingerprint()
    assert not torch.equal(all_of(first, "test")[1], all_of(other, "test")[1])


def test_pixels_are_normalised(digits):
    module = digits(augmentation="none", image_size=8)
    pixels = torch.cat([all_of(module, split)[0] for split in SPLITS])
    assert float(pixels.mean()) == pytest.approx(0, abs=0.01)
    assert float(pixels.std()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("size", [8, 28, 64])
def test_the_size_can_be_chosen(digits, size):
    module = digits(image_size=size)
    assert module.data_spec().input_shape == (1, size, size)
    assert module.train_dataset[0][0].shape == (1, size, size)


def test_training_images_are_shifted_and_others_are_not(digits):
    torch.manual_seed(0)
    module, still = digits(), digits(augmentation="none")
    assert not torch.equal(all_of(module, "train")[0], all_of(module, "train")[0])
    assert torch.equal(all_of(module, "val")[0], all_of(module, "val")[0])
    assert torch.equal(all_of(still, "train")[0], all_of(still, "train")[0])


def test_a_shift_moves_the_whole_image_and_fills_with_ground(digits):
    torch.manual_seed(0)
    shifted, still = digits(), digits(augmentation="none")
    original = still.train_dataset[0][0]
    reach = range(-3, 4)
    ground = original.min()
    padded = torch.nn.functional.pad(original, (3,) * 4, value=float(ground))
    windows = [padded[:, 3 + y : 35 + y, 3 + x : 35 + x] for y in reach for x in reach]
    for _ in range(10):
        image = shifted.train_dataset[0][0]
        assert any(torch.allclose(image, window, atol=1e-5) for window in windows)


def test_without_a_share_there_is_no_split(digits):
    module = digits(val_fraction=0, test_fraction=0)
    assert module.val_dataset is None
    assert module.test_dataset is None
    assert module.data_spec().split_sizes == {"train": 1797}


def test_training_needs_no_other_split(train):
    done = train("--model", "vit", "dataset.val_fraction=0", "dataset.test_fraction=0", "model.depth=1", "--dry-run")
    assert done.code == 0, done.err
    assert "Total length" not in done.err


def test_a_picture_of_a_digit_is_prepared_as_the_set_was(digits, tmp_path):
    module = digits(augmentation="none")
    real = load_digits()
    Image.fromarray((real.images[0] / 16 * 255).round().astype("uint8")).resize((64, 64), 0).save(tmp_path / "0.png")
    prepared = module.predict_dataset([tmp_path / "0.png"], module.data_spec())[0]
    everything = torch.cat([all_of(module, split)[0] for split in SPLITS])
    distance = (everything - prepared).abs().amax(dim=(1, 2, 3))
    assert float(distance.min()) < 0.02
    assert int((distance < 0.1).sum()) == 1


@pytest.mark.parametrize("setting", [{"image_size": 4}, {"val_fraction": 1}, {"augmentation": "strong"}, {"size": 32}])
def test_settings_that_cannot_be_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        registry.create_dataset("digits", **setting)
