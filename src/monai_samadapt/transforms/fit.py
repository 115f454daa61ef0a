"""Bringing slices to the size of the network: one interpolation in the plane, and its inverse."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.transforms.utils import scale_affine
from monai.utils.enums import TraceKeys

SLICES_AT_ONCE = 32


def fitted_size(
    size: Sequence[int], pixel: Sequence[float], image_size: int, spacing: Sequence[float] | None
) -> tuple[int, int]:
    """Return the rows and columns of the fitted slice; its aspect ratio in millimetres is that of the source.

    Without ``spacing`` the side that is longer in millimetres becomes ``image_size``. With it a pixel gets that size;
    a slice that is then larger than ``image_size`` is shrunk until it fits.

    Args:
        size: rows and columns of the source.
        pixel: size of its pixels along them, in mm.
        image_size: side S of the network's input.
        spacing: wanted size of the pixels along rows and columns, in mm.
    """
    wanted = [count * step / new for count, step, new in zip(size, pixel, spacing or (1.0, 1.0), strict=True)]
    scale = image_size / max(wanted)
    if spacing is not None:
        scale = min(scale, 1.0)
    rows, columns = (min(max(round(side * scale), 1), image_size) for side in wanted)
    return rows, columns


def resample_in_plane(image: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """Interpolate the first two spatial axes of (C, rows, columns[, slices]); slices are not mixed.

    ``bilinear`` averages over the covered pixels when it shrinks, as Pillow and SAM's own preprocessing do, and gives
    float32; ``nearest`` takes the pixel whose centre is nearest and keeps the type.
    """
    stack = image.movedim(-1, 0) if image.ndim == 4 else image[None]
    linear = mode == "bilinear"
    options: dict[str, Any] = {"mode": "bilinear", "antialias": True} if linear else {"mode": "nearest-exact"}
    dtype = torch.float32 if linear else image.dtype
    out = torch.empty((*stack.shape[:2], *size), dtype=dtype, device=image.device)
    for start in range(0, len(stack), SLICES_AT_ONCE):
        part = stack[start : start + SLICES_AT_ONCE].float()
        out[start : start + SLICES_AT_ONCE] = torch.nn.functional.interpolate(part, size, **options)
    return out.movedim(0, -1) if image.ndim == 4 else out[0]


class FitInPlaned(MapTransform, InvertibleTransform):
    """Resize slices so that they fit into S × S; see `fitted_size`.

    The size follows from the first key; the others lie on the same grid. Nothing is interpolated when the size fits
    already. The inverse goes back to the source's size in one interpolation; affines follow both ways.

    Args:
        keys: entries (C, rows, columns) or (C, rows, columns, slices).
        modes: ``bilinear`` or ``nearest`` for each key.
        image_size: side S of the network's input.
        spacing: size of a pixel along rows and columns, in mm.
    """

    def __init__(
        self, keys: Sequence[str], modes: Sequence[str], image_size: int, spacing: Sequence[float] | None = None
    ) -> None:
        super().__init__(keys)
        self.modes, self.image_size, self.spacing = tuple(modes), image_size, spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        first = item[self.keys[0]]
        pixel = [float(step) for step in first.pixdim[:2]] if first.ndim == 4 else [1.0, 1.0]
        size = fitted_size(first.shape[1:3], pixel, self.image_size, self.spacing)
        for key, mode in zip(self.keys, self.modes, strict=True):
            item[key] = self._resample(item[key], size, mode)
        return item

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return to the size before."""
        item = dict(data)
        for key in self.key_iterator(item):
            applied = self.pop_transform(item[key])
            rows, columns = applied[TraceKeys.ORIG_SIZE][:2]
            with self.trace_transform(False):
                item[key] = self._resample(item[key], (int(rows), int(columns)), applied[TraceKeys.EXTRA_INFO]["mode"])
        return item

    def _resample(self, image: MetaTensor, size: tuple[int, int], mode: str) -> MetaTensor:
        before = list(image.shape[1:])
        after = [*size, *before[2:]]
        same = before == after
        values = image.as_tensor() if same else resample_in_plane(image.as_tensor(), size, mode)
        out = MetaTensor(values, meta=image.meta, applied_operations=image.applied_operations)
        affine = scale_affine(before, after)
        fitted: MetaTensor = self.push_transform(
            out, sp_size=after, affine=affine, orig_size=before, extra_info={"mode": mode}
        )
        return fitted
