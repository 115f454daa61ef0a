"""Rows of three panels: the image, truth and prediction on it, and the errors; without pyplot's global state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from monai_samadapt.files import atomic_path
from monai_samadapt.reports.zoom import Window, zoom_window

# Okabe and Ito (2008): distinct for colour-blind readers. The colours of the errors come last among the labels'.
COLOURS = ("#E69F00", "#009E73", "#CC79A7", "#0072B2", "#F0E442", "#56B4E9", "#D55E00")
MISSED, EXTRA, WRONG_LABEL = "#56B4E9", "#D55E00", "#F0E442"
FILL, CORRECT = 0.5, 0.3
PANEL_INCHES = 3.8
DPI = 110
TITLES = ("image", "line: truth, fill: prediction", "errors")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """One row of panels.

    Attributes:
        image: (row, column) or (row, column, 3), in 0…1.
        truth: (K, row, column).
        pred: (K, row, column).
        aspect: height of a pixel over its width.
        caption: text at the left.
    """

    image: NDArray[np.floating]
    truth: Mask
    pred: Mask
    aspect: float = 1.0
    caption: str = ""


def draw(slices: Sequence[Slice], names: Sequence[str], path: str | os.PathLike[str], title: str | None = None) -> None:
    """Draw a row of panels for each slice.

    The first panel is the image, with a frame where the others zoom in on small structures. The second has the truth
    as lines and the prediction as a fill, in the label's colour. The third has what was missed, what is extra, and
    where one label stands for another; what is right is lighter.

    Args:
        slices: at least one.
        names: K label names, for the legend.
        path: the PNG file, written completely or not at all.
        title: a line above.
    """
    heights = [float(np.clip(row.image.shape[0] * row.aspect / row.image.shape[1], 0.3, 2.0)) for row in slices]
    size = (3 * PANEL_INCHES + 0.3, sum(heights) * PANEL_INCHES + 0.9)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes: Any = figure.subplots(len(slices), 3, squeeze=False, height_ratios=heights)
    for row, panels in zip(slices, axes, strict=True):
        _draw_row(panels, row)
    for panel, text in zip(axes[0], TITLES, strict=True):
        panel.set_title(text, fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    _legend(figure, names)
    FigureCanvasAgg(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_row(panels: Sequence[Axes], row: Slice) -> None:
    grey = row.image if row.image.ndim == 2 else row.image.mean(axis=2)
    window = zoom_window((row.truth | row.pred).any(axis=0))
    for panel, picture in zip(panels, (row.image, grey, 0.6 * grey), strict=True):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect=row.aspect, interpolation="nearest")
        panel.set(xticks=[], yticks=[])
    panels[0].set_ylabel(row.caption, fontsize=10, parse_math=False)
    for label, (truth, pred) in enumerate(zip(row.truth, row.pred, strict=True)):
        colour = COLOURS[label % len(COLOURS)]
        _fill(panels[1], pred, colour, FILL, row.aspect)
        _outline(panels[1], truth, colour, window)
    _fill(panels[2], (row.truth & row.pred).any(axis=0), "white", CORRECT, row.aspect)
    missed, extra = (row.truth & ~row.pred).any(axis=0), (row.pred & ~row.truth).any(axis=0)
    for mask, colour in ((missed & ~extra, MISSED), (extra & ~missed, EXTRA), (missed & extra, WRONG_LABEL)):
        _fill(panels[2], mask, colour, 1.0, row.aspect)
    _zoom(panels, window, row.truth.shape[1:])


def _fill(axes: Axes, mask: Mask, colour: str, opacity: float, aspect: float) -> None:
    fill = np.zeros((*mask.shape, 4), np.float32)
    fill[..., :3], fill[..., 3] = to_rgb(colour), opacity * mask
    axes.imshow(fill, aspect=aspect, interpolation="nearest")


def _outline(axes: Axes, mask: Mask, colour: str, window: Window) -> None:
    if not mask.any():
        return
    rows, columns = mask.shape
    framed = np.pad(mask, 1).astype(float)  # so that a line closes at the image's border
    lines = axes.contour(np.arange(-1, columns + 1), np.arange(-1, rows + 1), framed, [0.5], colors=[colour])
    points = PANEL_INCHES * 72 / window.columns * _thickness(mask)
    if points > 8:
        lines.set(linewidths=1.4, path_effects=[withStroke(linewidth=2.4, foreground="black")])
    else:  # vessels: a line as wide as they are would hide the prediction
        lines.set(linewidths=min(1.0, points / 6))


def _thickness(mask: Mask) -> float:
    """Mean thickness in pixels: twice the area over the length of the border."""
    return 2 * np.count_nonzero(mask) / np.count_nonzero(mask & ~binary_erosion(mask))


def _zoom(panels: Sequence[Axes], window: Window, shape: tuple[int, ...]) -> None:
    rows, columns = shape
    panels[0].set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    for panel in panels[1:]:
        panel.set(xlim=(window.left - 0.5, window.left + window.columns - 0.5))
        panel.set(ylim=(window.top + window.rows - 0.5, window.top - 0.5))
    if window.columns < columns:
        corner = (window.left - 0.5, window.top - 0.5)
        panels[0].add_patch(Rectangle(corner, window.columns, window.rows, fill=False, edgecolor="white", linewidth=1))


def _legend(figure: Figure, names: Sequence[str]) -> None:
    handles: list[Any] = [Patch(color=COLOURS[index % len(COLOURS)], label=name) for index, name in enumerate(names)]
    handles.append(Line2D([], [], linestyle="none", label="errors:"))
    errors = {MISSED: "missed", EXTRA: "extra"} | ({WRONG_LABEL: "wrong label"} if len(names) > 1 else {})
    handles += [Patch(color=colour, label=text) for colour, text in errors.items()]
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 9), fontsize=9, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
