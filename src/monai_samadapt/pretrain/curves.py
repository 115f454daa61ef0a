"""Picture of a run's log: ``python -m monai_samadapt.pretrain.curves LOG.jsonl PICTURE.png``."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from monai_samadapt.files import atomic_path

LINES = {"box_iou": "by box", "point_iou": "by one click, best of three", "corrected_iou": "after corrections"}


def plot(log: Path, picture: Path) -> None:
    """Draw loss and IoU on the training images over the steps, with a vertical line where the images grow."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(8, 3), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(steps, [row["loss"] for row in rows], color="black", linewidth=1)
    left.set(xlabel="step", ylabel="loss")
    for name, label in LINES.items():
        right.plot(steps, [row[name] for row in rows], label=label, linewidth=1)
    right.set(xlabel="step", ylabel="mean IoU, training images", ylim=(0, 1))
    right.legend(fontsize="small")
    for before, after in pairwise(rows):
        for axes in (left, right) if before["size"] != after["size"] else ():
            axes.axvline(before["step"], color="grey", linestyle=":")
            axes.text(after["step"], axes.get_ylim()[0], f" {after['size']} px", fontsize="small", va="bottom")
    with atomic_path(picture) as temporary:
        figure.savefig(temporary)


if __name__ == "__main__":
    plot(Path(sys.argv[1]), Path(sys.argv[2]))
