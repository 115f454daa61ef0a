"""Drawn prompts lie where they must, in every mode."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.prompts import MODES, check_modes, draw_prompts, eroded, tight_boxes


def at(masks: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """The value of masks (B, K, H, W) at points (B, K, N, 2)."""
    index = (points[..., 1] * masks.shape[-1] + points[..., 0]).long()
    return masks.flatten(2).gather(2, index)


@pytest.fixture
def masks() -> torch.Tensor:
    """A disc, a vessel one pixel wide, one pixel, and nothing; twice, in images of 40 rows and 56 columns."""
    masks = torch.zeros(2, 4, 40, 56, dtype=torch.bool)
    row, column = torch.meshgrid(torch.arange(40), torch.arange(56), indexing="ij")
    masks[:, 0] = (row - 18) ** 2 + (column - 30) ** 2 < 100
    masks[0, 1, torch.arange(5, 35), torch.arange(5, 35) + 10] = True
    masks[1, 1, 0] = True
    masks[:, 2, 39, 55] = True
    return masks


@pytest.mark.parametrize("name", list(MODES))
def test_points_have_the_side_their_label_says(masks: torch.Tensor, name: str) -> None:
    mode = MODES[name]
    points, labels = draw_prompts(masks, mode, generator=torch.Generator().manual_seed(0))
    assert points.shape == (2, 4, mode.positive + mode.negative + 2 * mode.box, 2)
    assert points.dtype == torch.float32 and labels.dtype == torch.int64
    inside = at(masks, points)
    assert inside[labels == 1].all() and not inside[labels == 0].any()
    assert torch.equal(points, points.round())
    expected = [1] * mode.positive + [0] * mode.negative + [2, 3] * mode.box
    assert labels[:, :3].tolist() == [[expected] * 3] * 2
    assert (labels[:, 3] == -1).all() and not points[:, 3].any()


def test_positive_points_keep_off_the_border_where_the_object_is_thick_enough(masks: torch.Tensor) -> None:
    points, _ = draw_prompts(masks.expand(2, -1, -1, -1), MODES["5_points"])
    away = masks[:, :1].clone()
    for _ in range(2):  # two pixels in each of eight directions are object
        away[:, :, 1:-1, 1:-1] &= torch.stack(
            [away[:, :, 1 + dy : 39 + dy, 1 + dx : 55 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        ).all(0)
    assert at(away, points[:, :1]).all()
    assert torch.equal(eroded(masks)[:, :1], away)
    assert torch.equal(eroded(masks)[:, 1:], masks[:, 1:])  # vessels and dots stay what they are


def test_points_are_uniform_and_distinct() -> None:
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    mask[..., 1:8, 2:9] = True  # with two pixels off the left, the upper and the lower side: 3 rows, 5 columns
    counts = torch.zeros(9, 9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(600):
        points, _ = draw_prompts(mask, MODES["2_points"], generator=generator)
        first, second = points[0, 0].long().tolist()
        assert first != second
        for x, y in (first, second):
            counts[y, x] += 1
    drawn = counts[3:6, 4:9]
    assert drawn.sum() == 1200 and (drawn - 80).abs().max() < 40


def test_few_pixels_are_drawn_again_but_nothing_else() -> None:
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[..., 3, 4:6] = True
    points, labels = draw_prompts(mask, MODES["5_points"])
    assert {tuple(point) for point in points[0, 0].tolist()} == {(4, 3), (5, 3)} and (labels == 1).all()


def test_negative_points_stay_where_they_are_allowed(masks: torch.Tensor) -> None:
    allowed = torch.zeros(2, 1, 40, 56, dtype=torch.bool)
    allowed[..., :20, :20] = True
    points, labels = draw_prompts(masks, MODES["5_points_1_negative"], allowed)
    negative = points[:, :3, 5]
    assert (negative < 20).all() and (labels[:, :3, 5] == 0).all()
    _, labels = draw_prompts(torch.ones(1, 1, 8, 8, dtype=torch.bool), MODES["5_points_1_negative"])
    assert labels.tolist() == [[[1, 1, 1, 1, 1, -1]]]  # no background: no negative point


def test_tight_boxes_hold_first_and_last_pixels() -> None:
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 3:9, 20:31] = True
    assert tight_boxes(masks).tolist() == [[20, 3, 30, 8], [0, 0, 0, 0]]
    points, labels = draw_prompts(masks[None], MODES["box"])
    assert points[0, 0].tolist() == [[20, 3], [30, 8]] and labels[0].tolist() == [[2, 3], [-1, -1]]


def test_a_seed_fixes_what_is_drawn(masks: torch.Tensor) -> None:
    first, again, other = (
        draw_prompts(masks, MODES["points_box"], generator=torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("modes", ["box", [], ["box", "box"], ["6_points"]])
def test_wrong_modes_are_refused_in_one_line(modes: object) -> None:
    with pytest.raises(SamAdaptError, match=r"^prompt_modes=.*give some of none, 1_point"):
        check_modes(modes, "prompt_modes")  # type: ignore[arg-type]
