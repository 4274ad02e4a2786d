"""The README's picture of the head."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ksdiff_jax
from ksdiff_jax.asset_builders.head_picture import COLUMNS, POSES, head_picture, main
from ksdiff_jax.errors import InputError

SHIPPED = Path(ksdiff_jax.__file__).parent / "assets" / "pictures" / "head.png"


def test_the_shipped_picture_is_small_and_a_file_of_the_caller_is_kept(tmp_path):
    assert SHIPPED.stat().st_size < 250_000
    mine = tmp_path / "mine.png"
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"mine\.png: is there already"):
        main(str(mine))
    assert mine.read_text() == "mine"


@pytest.mark.slow
def test_the_shipped_picture_is_what_the_builder_draws_and_every_pose_is_another(tmp_path):
    drawn = head_picture().astype(int)
    shipped = np.asarray(Image.open(SHIPPED).convert("RGB"), int)
    assert drawn.shape == shipped.shape and np.abs(drawn - shipped).mean() < 5
    rows = np.split(drawn, len(POSES) // COLUMNS)
    cells = [cell for row in rows for cell in np.split(row, COLUMNS, axis=1)]
    for k, cell in enumerate(cells):
        for other in cells[:k]:
            assert (np.abs(cell - other)[40:].max(axis=-1) > 30).sum() > 100
