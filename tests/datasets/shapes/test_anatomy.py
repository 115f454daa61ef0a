"""Families that lie as anatomy does: layers follow each other, pairs are mirrored."""

from __future__ import annotations

import torch

from monai_samadapt.datasets.shapes.anatomy import paired, strata
from monai_samadapt.datasets.shapes.draw import Draw, grid
from monai_samadapt.datasets.shapes.outlines import blob
from monai_samadapt.datasets.shapes.scene import FAR, OBJECTS, Canvas

SIZE, COUNT = 128, 16


def _canvas(seed: int) -> Canvas:
    canvas = Canvas(Draw(torch.Generator().manual_seed(seed)), COUNT, SIZE)
    x, y = grid(SIZE, torch.device("cpu"))
    canvas.x, canvas.y = x.expand(COUNT, 1, SIZE, SIZE), y.expand(COUNT, 1, SIZE, SIZE)
    return canvas


def test_layers_follow_each_other_without_overlap_and_most_without_a_gap() -> None:
    """Where layer k + 1 begins, the distance to the end of layer k is the gap: 0 for three of four."""
    distance = strata(_canvas(0)).distance[:, 1:]
    assert ((distance < -1e-5).sum(1) <= 1).all()
    present = distance.amin((-2, -1)) < -0.02
    both = present[:, 1:] & present[:, :-1]
    # between two layers that touch, both distances are 0 on one line: the smallest of the larger one is 0
    between = torch.maximum(distance[:, 1:], distance[:, :-1]).amin((-2, -1))[both]
    assert between.min() > -1e-5
    assert 0.6 < (between < 0.02).float().mean() < 0.95
    assert between.max() > 0.05  # half a gap, of up to .2


def test_a_layer_is_half_its_thickness_deep() -> None:
    canvas = _canvas(1)
    distance = strata(canvas).distance[:, 1:]
    deep = -distance.amin((-2, -1))
    inside = deep[(distance < FAR / 2).flatten(2).any(-1) & (deep > 0)]
    assert inside.max() < 0.25 + 1e-5 and inside.min() < 0.06


def test_pairs_are_mirrored_and_those_with_mirrored_outlines_look_alike() -> None:
    mirrored, alike = [], []
    for seed in range(24):
        scene = paired(_canvas(seed), blob)
        right, left = scene.centre[:, 1::2], scene.centre[:, 2::2]
        middle = (right + left)[..., 0] / 2
        assert torch.allclose(middle, middle[:, :1].expand_as(middle), atol=1e-6)  # one axis in an image
        assert middle.abs().max() <= 0.15 and torch.equal(right[..., 1], left[..., 1])
        assert (right[..., 0] > left[..., 0]).all()
        deep = scene.distance[:, 1:].amin((-2, -1)).unflatten(1, (OBJECTS // 2, 2))
        inside = (right.abs().amax(-1) < 0.9) & (left.abs().amax(-1) < 0.9) & (deep[..., 0] < FAR / 2)
        assert inside.sum() > COUNT / 2
        mirrored.append((deep[..., 0] - deep[..., 1]).abs()[inside].max().item() < 0.03)
        alike.append(bool(scene.alike.all()))
    assert 6 < sum(mirrored) < 18
    assert all(same for same, twin in zip(alike, mirrored, strict=True) if twin)
    assert 1 <= sum(alike) - sum(mirrored) < 12
