"""Plots of a report as PNG: how cases are distributed, and how a training went; without pyplot's global state."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from monai_samadapt.reports.drawing import COLOURS

Rows = Sequence[Mapping[str, Any]]

DPI = 144
SPREAD = 0.26
# state: colour, marker
MARKS = {"present": ("#0072B2", "o"), "missed": ("#D55E00", "v"), "false_positive": ("#CC79A7", "^")}


def distributions(rows: Rows) -> bytes:
    """Draw the Dice and the HD95 of every case, a line for each label: points, quartiles and median.

    Missed structures and predictions on an empty truth have marks of their own; what is empty in both has no value.

    Args:
        rows: of one source of prompts, with a finite value at least.

    Returns:
        A PNG.
    """
    labels = list(dict.fromkeys(row["label"] for row in rows))
    figure = Figure(figsize=(10, 1.5 + 0.5 * len(labels)), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, metric in ((left, "dice"), (right, "hd95")):
        for place, label in enumerate(labels):
            _line(axes, place, [row for row in rows if row["label"] == label and math.isfinite(row[metric])], metric)
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    left.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5), xlim=(-0.02, 1.02))
    for text in left.get_yticklabels():
        text.set_parse_math(False)
    left.set_xlabel("Dice")
    right.set_xlabel(f"HD95 ({rows[0]['unit']})")
    right.set_xlim(left=0)
    found = [state for state in MARKS if any(row["state"] == state for row in rows)]
    handles = [_handle(*MARKS[state], state.replace("_", " ")) for state in found]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)
    return png(figure)


def training_curves(history: Rows, metric: str = "val_mean_dice") -> bytes:
    """Draw the loss with its terms, the learning rate and, where there is one, the validation's metric by epoch.

    Args:
        history: the rows of ``history.csv``.
        metric: name of the validation's metric.

    Returns:
        A PNG.
    """
    validated = [row for row in history if math.isfinite(row.get(metric, math.nan))]
    figure = Figure(figsize=(10, 3.2), dpi=DPI, layout="constrained")
    panels: Any = figure.subplots(1, 3 if validated else 2, squeeze=False)[0]
    epochs = [row["epoch"] for row in history]
    losses = [name for name in history[0] if name.startswith("loss")]
    for index, name in enumerate(losses):
        style = {"color": "black", "linewidth": 2} if name == "loss" else {"color": COLOURS[index % len(COLOURS)]}
        marker = "o" if len(epochs) == 1 else None
        panels[0].plot(epochs, [row[name] for row in history], label=_term(name), marker=marker, **style)
    panels[0].legend(frameon=False, fontsize=9)
    panels[-1].plot(epochs, [row["learning_rate"] for row in history], color="0.3")
    panels[-1].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    panels[-1].set_ylim(bottom=0)
    if validated:
        _validation(panels[1], [row["epoch"] for row in validated], [row[metric] for row in validated])
    titles = ("loss", "validation: mean Dice", "learning rate") if validated else ("loss", "learning rate")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("epoch")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return png(figure)


def png(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _line(axes: Axes, place: int, rows: Rows, metric: str) -> None:
    """The cases of one label, side by side in a fixed order so that the picture is the same each time."""
    if not rows:
        return
    values = np.array([row[metric] for row in rows], float)
    low, middle, high = np.percentile(values, [25, 50, 75])
    axes.plot([low, high], [place, place], color="0.8", linewidth=9, solid_capstyle="butt", zorder=1)
    axes.plot([middle, middle], [place - 0.3, place + 0.3], color="black", linewidth=1.5, zorder=3)
    offsets = np.random.default_rng(0).uniform(-SPREAD, SPREAD, len(rows)) if len(rows) > 1 else np.zeros(1)
    for state, (colour, marker) in MARKS.items():
        own = [index for index, row in enumerate(rows) if row["state"] == state]
        points = {"s": 22, "color": colour, "marker": marker, "alpha": 0.75, "linewidths": 0, "clip_on": False}
        axes.scatter(values[own], place + offsets[own], zorder=2, **points)  # type: ignore[arg-type]


def _validation(axes: Axes, epochs: Sequence[float], values: Sequence[float]) -> None:
    best = int(np.argmax(values))
    axes.plot(epochs, values, color=COLOURS[3], marker="o", markersize=4)
    axes.scatter([epochs[best]], [values[best]], s=70, facecolors="none", edgecolors="black", zorder=3)
    label = f"best: {values[best]:.3f}, epoch {epochs[best]:.0f}"
    axes.annotate(label, (0.98, 0.04), xycoords="axes fraction", ha="right", fontsize=9)
    axes.set_ylim(0, 1)


def _handle(colour: str, marker: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, linestyle="none", label=label)


def _term(name: str) -> str:
    return name.removeprefix("loss_") if name != "loss" else "all"
