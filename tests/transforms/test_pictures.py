from __future__ import annotations

from pathlib import Path

import itk
import numpy as np
import pytest
from PIL import Image

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.pictures import PictureReader

READER = PictureReader()
RGB = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)  # 3 rows, 5 columns
GREY = RGB[..., 0]


def upright(tensor) -> np.ndarray:
    return tensor.numpy().transpose(2, 1, 0)


def palette() -> Image.Image:
    image = Image.fromarray((GREY % 3).astype(np.uint8), mode="P")
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 250])
    return image


def inks(amount: np.ndarray) -> Image.Image:
    """CMYK without black: colour = 255 - ink."""
    return Image.merge("CMYK", [*Image.fromarray(amount).split(), Image.new("L", (5, 3))])


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (Image.fromarray(RGB), "a.png", RGB),
        (Image.fromarray(GREY), "a.png", np.stack([GREY] * 3, -1)),
        (Image.fromarray(GREY).convert("LA"), "a.png", np.stack([GREY] * 3, -1)),
        (Image.fromarray(np.dstack([RGB, np.full_like(GREY, 7)])), "a.png", RGB),
        (Image.fromarray(GREY > 127), "a.png", np.stack([(GREY > 127) * 255] * 3, -1)),
        (palette(), "a.png", np.array([[10, 20, 30], [200, 0, 0], [0, 0, 250]])[GREY % 3]),
        (inks(255 - RGB), "a.tif", RGB),
    ],
    ids=["RGB", "L", "LA", "RGBA", "1", "P", "CMYK"],
)
def test_every_mode_becomes_rgb(picture, image, name, expected):
    read = READER.image(picture(image, name))
    assert read.shape == (3, 5, 3) and read.dtype.is_floating_point
    np.testing.assert_array_equal(upright(read), expected)


def test_jpeg_is_read_as_pillow_reads_it(picture):
    path = picture(np.kron(RGB, np.ones((8, 8, 1), np.uint8)), "a.jpg", quality=90)
    np.testing.assert_array_equal(upright(READER.image(path)), np.asarray(Image.open(path)))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.array([[1000, 3000, 2000]], np.uint16), "a.png"),
        (np.array([[1000, 3000, 2000]], np.uint16), "a.tif"),
        (np.array([[-1000, 1000, 0]], np.int32), "a.tif"),
        (np.array([[-0.5, 0.5, 0.0]], np.float32), "a.tif"),
    ],
)
def test_wide_grey_is_scaled_by_its_own_range(picture, values, name):
    read = upright(READER.image(picture(values, name)))
    np.testing.assert_allclose(read, [[[0.0] * 3, [255.0] * 3, [127.5] * 3]])


def test_a_constant_16_bit_picture_is_black(picture):
    assert not READER.image(picture(np.full((3, 5), 4000, np.uint16))).any()


def test_exif_orientation_is_ignored_for_picture_and_label(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = picture(GREY, "turned.png", exif=exif)
    np.testing.assert_array_equal(upright(READER.image(path))[..., 0], GREY)
    np.testing.assert_array_equal(upright(READER.label(path))[..., 0], GREY)


VALUES = np.array([[0, 1, 2, 0, 1], [2, 2, 1, 0, 0], [0, 0, 0, 1, 2]])


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (Image.fromarray(VALUES.astype(np.uint8)), "a.png", VALUES),
        (Image.fromarray(VALUES.astype(np.uint8)).convert("LA"), "a.png", VALUES),
        (Image.fromarray(np.stack([VALUES] * 3, -1).astype(np.uint8)), "a.png", VALUES),
        (Image.fromarray(np.stack([VALUES] * 3 + [VALUES * 9], -1).astype(np.uint8)), "a.png", VALUES),
        (Image.fromarray(VALUES > 0), "a.png", VALUES > 0),
        (palette(), "a.png", GREY % 3),
        (Image.fromarray((VALUES * 300).astype(np.uint16)), "a.tif", VALUES * 300),
        (Image.fromarray(VALUES.astype(np.float32)), "a.tif", VALUES),
    ],
    ids=["L", "LA", "RGB", "RGBA", "1", "P", "I;16", "F"],
)
def test_label_values_of_every_mode(picture, image, name, expected):
    read = READER.label(picture(image, name))
    assert read.shape == (1, 5, 3)
    np.testing.assert_array_equal(upright(read)[..., 0], expected)


def test_colours_are_channels_only_where_channels_are_expected(picture):
    path = picture(np.zeros((3, 5, 3), np.uint8))
    assert READER.label(path).shape == (1, 5, 3)
    assert READER.label(path, channels=3).shape == (3, 5, 3)
    assert READER.label(picture(RGB)).shape == (3, 5, 3)


def test_pages_broken_files_and_cmyk_labels_are_refused_in_one_line(picture, tmp_path):
    page = Image.fromarray(GREY)
    pages = picture(page, "pages.tif", save_all=True, append_images=[page])
    (tmp_path / "text.png").write_text("not a picture")
    cut = tmp_path / "cut.png"
    noise = picture(np.random.default_rng(0).integers(0, 255, (99, 99), dtype=np.uint8), "whole.png")
    cut.write_bytes(Path(noise).read_bytes()[:2000])
    nan = picture(np.full((3, 5), np.nan, np.float32), "nan.tif")
    cmyk = picture(inks(RGB), "inks.tif")
    cases = [
        (READER.image, pages, "has 2 pages"),
        (READER.image, str(tmp_path / "text.png"), "cannot be read"),
        (READER.image, str(cut), "cannot be read"),
        (READER.image, str(tmp_path / "absent.png"), "does not exist"),
        (READER.image, str(tmp_path), "does not exist"),
        (READER.image, nan, "NaN or infinite"),
        (READER.label, cmyk, "is a CMYK picture"),
    ]
    for read, path, problem in cases:
        with pytest.raises(SamAdaptError, match=problem) as raised:
            read(path)
        assert path in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_of_colour_are_refused_instead_of_halved(tmp_path, suffix):
    path = str(tmp_path / f"wide.{suffix}")
    itk.imwrite(itk.image_from_array(np.full((4, 5, 3), 1000, np.uint16), is_vector=True), path)
    message = rf"image='{path}': has 16 bits in each channel of RGB, of which Pillow reads 8; save it as 16-bit grey"
    with pytest.raises(SamAdaptError, match=message):
        READER.image(path)
