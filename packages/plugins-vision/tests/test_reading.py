"""Images of every kind become the right pixels, or one clear message."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from made_datasets import encoded
from PIL import Image, ImageOps

from framework_core.errors import DataError
from framework_plugins_vision import reading
from framework_plugins_vision.datasets.image_files import ImageReader
from framework_plugins_vision.normalization import Normalization

RED, BLUE = (250, 10, 10), (10, 10, 250)


@pytest.fixture(scope="module")
def photo():
    """A photo that comes with scikit-learn."""
    from sklearn.datasets import load_sample_images

    return Image.fromarray(load_sample_images().images[0])


def rgb(content, **more):
    return torch.from_numpy(reading.pixels(content, 3, **more))


def near(image, colour, tolerance=6):
    return bool((image.float() - torch.tensor(colour).view(3, 1, 1)).abs().max() <= tolerance)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_has_exactly_the_pixels_that_pil_gives(subsampling, photo):
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=85, subsampling=subsampling)
    expected = np.asarray(Image.open(buffer).convert("RGB"))
    assert np.array_equal(rgb(buffer.getvalue()).permute(1, 2, 0).numpy(), expected)


def test_a_grey_reading_is_near_that_of_pil(photo):
    content = encoded(photo)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(int)
    difference = np.abs(reading.pixels(content, 1)[0] - expected)
    assert difference.mean() < 0.2


@pytest.mark.parametrize(
    ("short_side", "size"),
    [(0, (427, 640)), (427, (427, 640)), (214, (427, 640)), (213, (214, 320)), (106, (107, 160)), (53, (54, 80))],
)
def test_a_large_jpeg_is_decoded_smaller_but_never_too_small(short_side, size, photo):
    assert tuple(rgb(encoded(photo), short_side=short_side).shape[1:]) == size


def test_a_smaller_decoding_gives_nearly_the_picture(photo):
    """After both are brought to 128 pixels the difference is two or three levels of 255."""
    content = encoded(photo.crop((0, 0, 640, 424)))
    small, whole = (
        torch.nn.functional.interpolate(rgb(content, short_side=side)[None].float(), (128, 128), mode="area")
        for side in (160, 0)
    )
    assert (small - whole).abs().mean() < 3


def test_a_quick_reading_is_a_little_off(photo):
    content = encoded(photo)
    difference = (rgb(content, quick=True).float() - rgb(content).float()).abs()
    assert 0 < difference.mean() < 2.5
    assert difference.quantile(0.99) < 16
    assert near(rgb(encoded(Image.new("RGB", (64, 48), RED)), quick=True), RED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_turned_picture_is_turned_upright(orientation, form, photo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    photo.crop((0, 0, 60, 40)).save(buffer, form, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(buffer)).convert("RGB"))
    assert np.array_equal(rgb(buffer.getvalue()).permute(1, 2, 0).numpy(), expected)


def test_broken_exif_is_passed_over(photo):
    content = bytearray(encoded(photo.crop((0, 0, 60, 40))))
    block = b"Exif\0\0" + b"\xff" * 20
    content[2:2] = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    assert rgb(bytes(content)).shape == (3, 40, 60)


def test_cmyk_becomes_the_same_colours():
    content = encoded(Image.new("CMYK", (8, 8), (0, 240, 240, 10)))
    assert near(rgb(content), np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[0, 0])
    assert rgb(content)[0].float().mean() > 200 > 100 > rgb(content)[2].float().mean()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight_by_their_share(form):
    levels = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    content = encoded(Image.fromarray(levels), form)
    assert reading.pixels(content, 1).tolist() == [[[0, 100, 255]]]
    assert rgb(content)[:, 0, 1].tolist() == [100, 100, 100]


def test_colours_of_sixteen_bits_become_eight():
    raw = b"\0" + struct.pack(">3H", 65535, 257 * 100, 0)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">2I5B", 1, 1, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    assert rgb(png).flatten().tolist() == [255, 100, 0]


def test_a_palette_becomes_its_colours():
    image = Image.new("RGB", (8, 8), RED)
    image.paste(BLUE, (0, 0, 8, 4))
    content = encoded(image.quantize(2), "PNG")
    assert near(rgb(content)[:, :4], BLUE)
    assert near(rgb(content)[:, 4:], RED)


@pytest.mark.parametrize("form", ["RGBA", "LA", "palette"])
def test_what_is_transparent_is_white(form):
    image = Image.new("RGBA", (8, 8), (*BLUE, 255))
    image.paste((0, 0, 0, 0), (0, 0, 8, 4))
    image = image.quantize(4) if form == "palette" else image.convert(form)
    content = encoded(image, "PNG")
    assert near(rgb(content)[:, :4], (255, 255, 255))
    assert not near(rgb(content)[:, 4:], (255, 255, 255))


def test_half_transparent_is_half_white():
    assert near(rgb(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG")), (127, 127, 127))


def test_of_a_moving_picture_the_first_frame_is_taken():
    buffer = io.BytesIO()
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    first.save(buffer, "GIF", save_all=True, append_images=[second])
    assert near(rgb(buffer.getvalue()), RED)


def large_jpeg():
    """The beginning of a JPEG that says it has 200 megapixels: nothing more is looked at."""
    content = bytearray(encoded(Image.new("RGB", (64, 64), RED)))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">2H", 10_000, 20_000)
    return bytes(content)


def large_png():
    content = bytearray(encoded(Image.new("RGB", (8, 8), RED), "PNG"))
    content[16:24] = struct.pack(">2I", 20_000, 10_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


def cut_short():
    content = encoded(Image.effect_noise((64, 64), 60))
    return content[: len(content) // 2]


UNREADABLE = [
    (large_jpeg, "it has 200 megapixels, and 179 are the most that is decoded"),
    (large_png, "it has 200 megapixels, and 179 are the most that is decoded"),
    (cut_short, "it is cut short"),
    (lambda: b"this is no image", "it is no image"),
    (lambda: b"", "it is no image"),
    (lambda: encoded(Image.new("F", (4, 4), 0.5), "TIFF"), "floating-point numbers"),
    (lambda: encoded(Image.fromarray(np.full((4, 4), 70000, np.int32)), "TIFF"), "32-bit numbers"),
]


@pytest.mark.parametrize(("content", "said"), UNREADABLE)
def test_what_cannot_be_read_is_one_message_with_the_file(content, said, project):
    (project / "picture").write_bytes(content())
    with pytest.raises(DataError, match=said) as caught:
        ImageReader(3)(str(project / "picture"))
    assert str(project / "picture") in caught.value.what


def test_a_mistake_that_decoders_forgive_is_forgiven():
    content = encoded(Image.new("RGB", (16, 16), RED))
    assert near(rgb(content[:-2] + b"\0\0\0" + content[-2:]), RED)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_normalization_is_that_of_torchvision(dtype):
    from torchvision.transforms import v2

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    image = torch.randint(0, 256, (3, 9, 7), dtype=torch.uint8)
    image = image if dtype == torch.uint8 else image / 255
    usual = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])
    torch.testing.assert_close(Normalization(mean, std)(image), usual(image), atol=1e-5, rtol=1e-5)
