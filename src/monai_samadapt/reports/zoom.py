"""The part of a picture that shows small structures large enough."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MARGIN = 1.5
SMALLEST = 0.15
LARGEST = 0.6


class Window(NamedTuple):
    """A part of a picture in pixels, with the proportions of the whole."""

    top: float
    left: float
    rows: float
    columns: float


def zoom_window(mask: NDArray[np.bool_]) -> Window:
    """Return the window around all structures, with a margin, or the whole picture when they are large or absent."""
    rows, columns = mask.shape
    filled = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    if not filled[0].size:
        return Window(0, 0, rows, columns)
    extents = [int(places[-1] - places[0]) + 1 for places in filled]
    share = max(MARGIN * max(extents[0] / rows, extents[1] / columns), SMALLEST)
    if share > LARGEST:
        return Window(0, 0, rows, columns)
    centres = [(places[0] + places[-1] + 1) / 2 for places in filled]
    starts = [
        float(np.clip(centre - share * size / 2, 0, size - share * size))
        for centre, size in zip(centres, (rows, columns), strict=True)
    ]
    return Window(starts[0], starts[1], share * rows, share * columns)
