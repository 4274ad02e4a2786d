from ksdiff_jax.train.report.curves import draw_curves


def entries(*splits):
    return [
        {"step": step, "split": split, "loss": 1.0 / step}
        for step in range(1, 6)
        for split in splits
    ]


def test_a_run_without_validation_has_no_curve_of_that_name():
    assert b">validation<" in draw_curves(entries("train", "val"))
    picture = draw_curves(entries("train"))
    assert b">validation<" not in picture and b">train<" in picture
