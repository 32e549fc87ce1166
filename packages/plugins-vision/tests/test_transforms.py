"""From an image file to a tensor."""

import numpy as np
import pytest
import torch
from PIL import Image

from framework_core.errors import DataError
from framework_plugins_vision.transforms import evaluation, read_image, training

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


@pytest.fixture
def ramp():
    """An image whose red rises from left to right and green from top to bottom."""
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[..., 0] = np.linspace(0, 255, 60)[None, :]
    pixels[..., 1] = np.linspace(0, 255, 40)[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
@pytest.mark.parametrize("stored", ["L", "RGB", "RGBA", "P", "1", "CMYK"])
def test_any_colours_become_the_channels_asked_for(stored, channels, mode, tmp_path, ramp):
    path = tmp_path / f"image.{'tif' if stored == 'CMYK' else 'png'}"
    ramp.convert(stored).save(path)
    image = read_image(path, channels)
    assert image.mode == mode
    assert image.size == (60, 40)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path, ramp):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    ramp.save(tmp_path / "image.jpg", exif=exif)
    assert read_image(tmp_path / "image.jpg", 3).size == (40, 60)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "jpeg", "jpg", "png", "ppm", "tif", "tiff", "webp", "PNG"])
def test_formats_that_are_read(suffix, tmp_path, ramp):
    ramp.save(tmp_path / f"image.{suffix}")
    assert read_image(tmp_path / f"image.{suffix}", 3).size == (60, 40)


def test_a_file_that_is_no_image_is_told_with_its_path(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("no image")
    with pytest.raises(DataError, match=r"notes\.png cannot be read: it is no image"):
        read_image(path, 3)


def test_an_image_cut_short_is_told(tmp_path, ramp):
    path = tmp_path / "image.jpg"
    ramp.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="it is cut short"):
        read_image(path, 3)


def test_an_image_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_image(tmp_path / "none.png", 3)


@pytest.mark.parametrize("size", [(8, 8), (24, 16), (64, 64)])
def test_images_are_brought_to_the_size_asked_for(size, ramp):
    for transform in (evaluation(size, 0.875, **PLAIN), training(size, 0.35, flip=True, **PLAIN)):
        tensor = transform(ramp)
        assert tensor.shape == (3, *size)
        assert tensor.dtype == torch.float32


def test_values_are_normalised_by_channel(ramp):
    plain = evaluation((8, 8), 1.0, **PLAIN)(ramp)
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.25, 2.0)
    changed = evaluation((8, 8), 1.0, mean, std)(ramp)
    assert plain.min() >= 0
    assert plain.max() <= 1
    torch.testing.assert_close(changed, (plain - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])


def test_evaluation_takes_the_centre(ramp):
    whole = evaluation((20, 20), 1.0, **PLAIN)(ramp)
    centre = evaluation((20, 20), 0.5, **PLAIN)(ramp)
    assert centre[1].max() - centre[1].min() == pytest.approx(0.5 * float(whole[1].max() - whole[1].min()), abs=0.05)
    assert centre[0].mean() == pytest.approx(0.5, abs=0.02)


def test_evaluation_is_the_same_each_time_and_training_is_not(ramp):
    torch.manual_seed(0)
    still, moved = evaluation((16, 16), 0.875, **PLAIN), training((16, 16), 0.35, flip=True, **PLAIN)
    assert torch.equal(still(ramp), still(ramp))
    assert not torch.equal(moved(ramp), moved(ramp))


def test_half_of_the_training_images_are_mirrored_where_that_is_wanted(ramp):
    """Red rises to the right; in a mirror image it falls."""
    torch.manual_seed(0)

    def mirrored(flip):
        transform = training((16, 16), 0.9, flip=flip, **PLAIN)
        return sum(bool((image := transform(ramp))[0, :, 0].mean() > image[0, :, -1].mean()) for _ in range(60))

    assert mirrored(flip=False) == 0
    assert 15 < mirrored(flip=True) < 45


def test_a_crop_keeps_at_least_the_share_asked_for(ramp):
    torch.manual_seed(0)
    small, large = training((16, 16), 0.05, flip=False, **PLAIN), training((16, 16), 0.9, flip=False, **PLAIN)

    def spread(transform):
        return min(float((image := transform(ramp))[1].max() - image[1].min()) for _ in range(40))

    assert spread(small) < 0.5 < 0.7 < spread(large)
