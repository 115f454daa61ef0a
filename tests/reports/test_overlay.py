"""The pixels of overlay pictures: orientation, proportions, colours; the choice of slices."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from monai_samadapt.labels import LabelSpec
from monai_samadapt.reports import save_overlay, volume_overlay
from monai_samadapt.reports.drawing import COLOURS, EXTRA, FILL, MISSED, WRONG_LABEL
from monai_samadapt.reports.extremes import display_window
from monai_samadapt.reports.overlay import choose_slices, displayed, label_masks
from monai_samadapt.transforms import DataSpec

ORGANS = LabelSpec.parse(["Liver", "Tumor"])


def frames(path: Path) -> list[np.ndarray]:
    """The three panels of the first row, cut out by their black frames, as float RGB."""
    picture = np.asarray(Image.open(path).convert("RGB"), np.float64) / 255
    dark = picture.max(axis=2) < 0.05
    columns = np.flatnonzero(dark.mean(axis=0) > 0.45)
    starts = columns[np.diff(columns, prepend=-9) > 1]
    rows = np.flatnonzero(dark[:, starts[1] : starts[1] + 200].mean(axis=1) > 0.95)
    panels = [picture[rows[0] + 1 : rows[-1], a + 1 : b] for a, b in zip(starts[::2], starts[1::2], strict=True)]
    assert len(panels) == 3
    return panels


def at(panel: np.ndarray, row: float, column: float) -> np.ndarray:
    """The colour at a place given in shares of height and width."""
    return panel[int(row * panel.shape[0]), int(column * panel.shape[1])]


def quarters(**labels: int) -> np.ndarray:
    array = np.zeros((1, 80, 80), np.uint8)
    places = {"upper_left": (slice(0, 40), slice(0, 40)), "upper_right": (slice(0, 40), slice(40, 80))}
    places |= {"lower_left": (slice(40, 80), slice(0, 40)), "lower_right": (slice(40, 80), slice(40, 80))}
    for place, label in labels.items():
        array[0][places[place]] = label
    return array


def test_colours_and_orientation(tmp_path: Path):
    image = np.full((3, 80, 80), 200, np.uint8)
    image[:, :40, :40] = np.array([250, 150, 50], np.uint8)[:, None, None]
    truth = quarters(upper_left=1, upper_right=2, lower_left=1)
    pred = quarters(upper_left=1, upper_right=1, lower_right=2)
    save_overlay(image, truth, pred, tmp_path / "new" / "overlay.png", ORGANS, title="case: Dice 0.5")
    plain, overlay, errors = frames(tmp_path / "new" / "overlay.png")
    np.testing.assert_allclose(at(plain, 0.25, 0.25), [250 / 255, 150 / 255, 50 / 255], atol=0.01)
    np.testing.assert_allclose(at(plain, 0.75, 0.75), [200 / 255] * 3, atol=0.01)
    grey = np.full(3, 150 / 255)
    np.testing.assert_allclose(
        at(overlay, 0.25, 0.25), (1 - FILL) * grey + FILL * np.array(to_rgb(COLOURS[0])), atol=0.01
    )
    np.testing.assert_allclose(at(overlay, 0.75, 0.25), [200 / 255] * 3, atol=0.01)
    np.testing.assert_allclose(at(errors, 0.25, 0.75), to_rgb(WRONG_LABEL), atol=0.01)
    np.testing.assert_allclose(at(errors, 0.75, 0.25), to_rgb(MISSED), atol=0.01)
    np.testing.assert_allclose(at(errors, 0.75, 0.75), to_rgb(EXTRA), atol=0.01)
    assert np.ptp(at(errors, 0.25, 0.25)) < 0.01  # right: a lighter grey


def test_names_with_dollars_are_text(tmp_path: Path):
    image, label = np.full((80, 80), 128, np.uint8), np.ones((1, 80, 80), np.uint8)
    save_overlay(image, label, label, tmp_path / "a.png", LabelSpec.parse(["$^$"]), title="a$^$b.png")
    plain, overlay, _ = frames(tmp_path / "a.png")
    assert plain.shape == overlay.shape


def test_the_line_of_the_truth_is_where_the_truth_ends(tmp_path: Path):
    image, truth = np.full((80, 80), 128, np.uint8), np.zeros((1, 80, 80), np.uint8)
    truth[0, 10:70, 10:70] = 1
    save_overlay(image, truth, np.zeros_like(truth), tmp_path / "overlay.png", LabelSpec.parse(["Liver"]))
    _, overlay, _ = frames(tmp_path / "overlay.png")
    middle = overlay[overlay.shape[0] // 2]
    coloured = np.flatnonzero(np.abs(middle - to_rgb(COLOURS[0])).max(axis=1) < 0.1) / overlay.shape[1]
    assert coloured.min() == pytest.approx(10 / 80, abs=0.01)
    assert coloured.max() == pytest.approx(70 / 80, abs=0.01)


def test_pixels_have_their_physical_proportions(tmp_path: Path):
    volume = np.zeros((1, 30, 60, 5))
    truth = np.zeros((1, 30, 60, 5), np.uint8)
    truth[:, 5:25, 10:50, 2] = 1
    volume_overlay(
        volume, truth, truth, tmp_path / "a.png", LabelSpec.parse(["x"]), window=(-1, 0), spacing=(3.0, 1.0, 9.0)
    )
    for panel in frames(tmp_path / "a.png"):
        assert panel.shape[0] / panel.shape[1] == pytest.approx(30 * 3 / 60, rel=0.02)


def test_slices_with_most_truth_and_most_errors_and_the_middle_one():
    truth, pred = np.zeros((2, 1, 10, 10, 20), np.uint8)
    truth[:, :2, :, 4:17], truth[:, :6, :, 6] = 1, 1
    pred[:] = truth
    pred[:, :, :, 15] = 1
    assert choose_slices(truth, pred) == {6: "most truth", 10: "middle", 15: "most errors"}
    assert choose_slices(truth, truth) == {6: "most truth", 10: "middle"}
    assert choose_slices(np.zeros_like(truth), np.zeros_like(truth)) == {10: "middle"}
    assert choose_slices(np.zeros_like(truth), pred) == {10: "middle", 15: "most errors"}


def test_masks_of_exclusive_and_overlapping_labels():
    maps = np.array([[[0, 1, 2]]])
    np.testing.assert_array_equal(label_masks(maps, ORGANS), [[[0, 1, 0]], [[0, 0, 1]]])
    channels = np.array([[[0, 1, 1]], [[0, 0, 255]]])
    np.testing.assert_array_equal(label_masks(channels, LabelSpec.parse(["disc", "cup"], True)), channels > 0)


def test_windows():
    np.testing.assert_allclose(displayed(np.array([[-160.0, 40.0, 500.0]]), (-160, 240)), [[0, 0.5, 1]])
    np.testing.assert_allclose(displayed(np.array([[0, 51, 255]], np.uint8)), [[0, 0.2, 1]], atol=1e-6)
    assert displayed(np.full((1, 4, 4), 7.0)).shape == (4, 4)
    wide = displayed(np.linspace(0, 4000, 10_000).reshape(100, 100))
    assert (wide == 0).mean() == pytest.approx(0.01, abs=0.001)
    assert (wide == 1).mean() == pytest.approx(0.01, abs=0.001)


def test_threads_draw_at_once(tmp_path: Path):
    image, label = np.random.default_rng(0).random((60, 60)), quarters(upper_left=1)[:, :60, :60]
    jobs = [
        threading.Thread(target=save_overlay, args=(image, label, label, tmp_path / f"{index}.png", ORGANS))
        for index in range(3)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    pictures = [(tmp_path / f"{index}.png").read_bytes() for index in range(3)]
    assert pictures[0] == pictures[1] == pictures[2]


def test_volumes_without_a_unit_are_shown_from_percentile_to_percentile() -> None:
    image = np.linspace(0, 4000, 1001, dtype=np.float32).reshape(1, 7, 11, 13)
    spec = {"labels": ["A"], "image_size": 64}
    assert display_window(image, DataSpec("mri", **spec)) == pytest.approx((20, 3980))
    assert display_window(image, DataSpec("ct", window=(-100, 200), **spec)) == (-100, 200)
    assert display_window(image, DataSpec("image2d", **spec)) == (0, 255)
