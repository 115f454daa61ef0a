"""The prompts of a volume on its slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from monai_samadapt.prompts import PADDING

PER_IMAGE = {"points": 4, "point_labels": 3, "boxes": 3}
"""Keywords that belong to an image, and their axes; those on the slices of a volume have one more, the third."""


def is_given(value: Any) -> bool:
    """Whether a keyword of the network has a value."""
    return isinstance(value, Tensor)


def for_slices(prompts: Mapping[str, Any], index: int, start: int, stop: int) -> dict[str, Any]:
    """The prompts on slices ``start`` to ``stop`` - 1 of volume ``index``; those of a whole volume are repeated."""
    return {
        name: _on_slices(value, PER_IMAGE[name], index, start, stop) if name in PER_IMAGE and is_given(value) else value
        for name, value in prompts.items()
    }


def _on_slices(value: Tensor, axes: int, index: int, start: int, stop: int) -> Tensor:
    if value.ndim > axes:
        return value[index, :, start:stop].movedim(1, 0)
    return value[index : index + 1].expand(stop - start, *value.shape[1:])


def slices_elsewhere(point_labels: Tensor | None) -> Tensor | None:
    """Where a label has no prompt but has some on other slices: (B, P, D, N) to (B, P, D) bool; None without slices."""
    if point_labels is None or point_labels.ndim == PER_IMAGE["point_labels"]:
        return None
    asked = (point_labels != PADDING).any(-1)
    return asked.any(-1, keepdim=True) & ~asked
