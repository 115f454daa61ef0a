"""The window that shows small structures large."""

from __future__ import annotations

import numpy as np
import pytest

from monai_samadapt.reports.zoom import zoom_window


def mask(rows: slice, columns: slice) -> np.ndarray:
    array = np.zeros((100, 200), bool)
    array[rows, columns] = True
    return array


def test_a_small_structure_is_centred_with_a_margin():
    # 20 of 100 rows, 1.5 times that: 30 rows, 60 columns around (50, 100)
    assert zoom_window(mask(slice(40, 60), slice(90, 110))) == pytest.approx((35.0, 70.0, 30.0, 60.0))


def test_the_window_stays_in_the_picture_and_keeps_a_least_size():
    assert zoom_window(mask(slice(0, 2), slice(198, 200))) == pytest.approx((0.0, 170.0, 15.0, 30.0))


def test_large_or_absent_structures_show_the_whole_picture():
    assert zoom_window(mask(slice(10, 90), slice(90, 110))) == (0, 0, 100, 200)
    assert zoom_window(mask(slice(0, 0), slice(0, 0))) == (0, 0, 100, 200)
