"""Reads a picture file as upright RGB, whatever its orientation, its channels and its depth.

A photograph is turned as its EXIF orientation says. Grey and CMYK are converted, transparency is
laid on white, 16 bits become 8. A large picture is shrunk.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.typing import UInt8

LARGEST_SIDE = 1920  # pixels; larger pictures are shrunk
MOST_PIXELS = 200_000_000  # a larger one is refused before it is decoded
_TRANSPARENT = ("RGBA", "LA", "PA", "La", "RGBa")


def read_picture(path: str | Path) -> UInt8[np.ndarray, "y x 3"]:
    """Return a picture of any format that Pillow reads; raise `InputError` if it cannot be used."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a picture")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels; need at most "
                    f"{MOST_PIXELS / 1e6:.0f} million"
                )
            upright = _rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: not a picture that can be read ({first_line(error)}); give a JPEG, PNG or "
            "WebP"
        ) from error
    upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(upright)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        largest = 65535 if image.mode.startswith("I") else max(float(values.max()), 1e-6)
        image = Image.fromarray(np.clip(values * 255 / largest, 0, 255).astype(np.uint8))
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("RGB")
