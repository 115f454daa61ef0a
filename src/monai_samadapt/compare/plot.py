"""The plot of a comparison: a box and all subjects for each method and test set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_samadapt.compare.results import Entry, grouped
from monai_samadapt.compare.table import TITLES
from monai_samadapt.files import atomic_path
from monai_samadapt.reports.drawing import COLOURS

COLUMNS, DPI = 3, 110


def comparison_figure(entries: Sequence[Entry], metric: str = "dice") -> Figure:
    """Draw the subjects' values: the box has the quartiles and the median, whiskers reach 1.5 times as far.

    Args:
        entries: of one test set or several, a panel for each.
        metric: ``dice``, ``nsd`` or ``hd95``.
    """
    panels = grouped(entries, lambda entry: entry.test_set)
    methods = list(dict.fromkeys(entry.column for entry in entries))
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    width = max(3.2, 0.9 + 0.75 * len(methods))
    figure = Figure(figsize=(columns * width, lines * 3.4 + 0.3), dpi=DPI, layout="constrained")
    axes: Any = figure.subplots(lines, columns, squeeze=False).flatten()
    for axis, (name, own) in zip(axes, panels.items(), strict=False):
        _panel(axis, name, own, metric, methods)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return figure


def _panel(axis: Any, name: str, entries: Sequence[Entry], metric: str, methods: list[str]) -> None:
    values = [[value for value in entry.by_subject(metric).values() if np.isfinite(value)] for entry in entries]
    places = range(1, len(entries) + 1)
    line = {"color": "black", "linewidth": 1}
    axis.boxplot(values, positions=places, widths=0.6, showfliers=False, medianprops={**line, "linewidth": 2})
    for place, entry, own in zip(places, entries, values, strict=True):
        spread = np.linspace(-0.18, 0.18, len(own)) if len(own) > 1 else np.zeros(len(own))
        colour = COLOURS[methods.index(entry.column) % len(COLOURS)]
        axis.scatter(place + spread, own, s=14, color=colour, edgecolors="black", linewidths=0.3, zorder=3)
    axis.set_xticks(
        list(places), [f"{entry.column}\nn = {len(own)}" for entry, own in zip(entries, values, strict=True)]
    )
    axis.tick_params(axis="x", labelsize=8, rotation=30 if len(entries) > 4 else 0)
    unit = f" ({entries[0].summary['unit']})" if metric == "hd95" else ""
    axis.set_ylabel(f"{TITLES[metric]} of a subject{unit}")
    axis.set_title(name, fontsize=10)
    axis.grid(axis="y", linewidth=0.4)
    if metric != "hd95":
        axis.set_ylim(-0.02, 1.02)


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, completely or not at all."""
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
