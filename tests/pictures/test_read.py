"""Picture files of every kind become upright RGB; what is no picture is refused in one line."""

import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.errors import InputError
from ksdiff_jax.pictures import read
from ksdiff_jax.pictures.read import read_picture

HEIGHT, WIDTH = 40, 60


def scene():
    """A red upper half and a blue lower one, with a green left edge."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, :, 0] = picture[HEIGHT // 2 :, :, 2] = 200
    picture[:, :8] = [0, 200, 0]
    return Image.fromarray(picture)


def near(found, wanted, tolerance):
    assert found.shape == (*wanted.size[::-1], 3)
    assert np.abs(found.astype(int) - np.asarray(wanted)).mean() < tolerance


@pytest.mark.parametrize("ending", ["png", "webp", "jpg", "bmp", "tiff", "gif"])
def test_formats_give_the_same_picture(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    scene().save(path)
    near(read_picture(path), scene(), 4)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_a_photograph_is_turned_as_its_exif_says(tmp_path, orientation, stored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene().transpose(stored).save(tmp_path / "a.jpg", exif=exif, quality=95)
    near(read_picture(tmp_path / "a.jpg"), scene(), 4)


def test_grey_cmyk_and_sixteen_bits_are_converted(tmp_path):
    grey = scene().convert("L")
    grey.save(tmp_path / "grey.png")
    near(read_picture(tmp_path / "grey.png"), grey.convert("RGB"), 1)
    scene().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    near(read_picture(tmp_path / "cmyk.jpg"), scene(), 6)
    deep = np.asarray(grey, np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    near(read_picture(tmp_path / "deep.png"), grey.convert("RGB"), 1)
    scene().convert("P").save(tmp_path / "palette.png")
    near(read_picture(tmp_path / "palette.png"), scene(), 20)


def test_transparency_is_laid_on_white(tmp_path):
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 0
    clear = scene()
    clear.putalpha(Image.fromarray(alpha))
    clear.save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert (found[:, WIDTH // 2 :] == 255).all()
    np.testing.assert_array_equal(found[:, : WIDTH // 2], np.asarray(scene())[:, : WIDTH // 2])
    clear.convert("LA").save(tmp_path / "la.png")
    assert (read_picture(tmp_path / "la.png")[:, WIDTH // 2 :] == 255).all()


def test_a_large_picture_is_shrunk_and_an_absurd_one_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "LARGEST_SIDE", 30)
    scene().save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").shape == (20, 30, 3)
    monkeypatch.setattr(read, "MOST_PIXELS", 100)
    with pytest.raises(InputError, match="60 x 40 pixels; need at most"):
        read_picture(tmp_path / "a.png")


def test_what_is_no_picture_is_refused_by_name(tmp_path):
    scene().save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for name, content in (
        ("text.png", b"no picture"),
        ("half.png", data[: len(data) // 2]),
        ("empty.jpg", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: not a picture that can be read"):
            read_picture(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_picture(tmp_path / "missing.png")
