"""What the embedded bases are worth: each method from its nano base and from random weights, on real images.

    python benchmarks/nano_worth.py TASK DATA OUTPUT [--epochs 15] [--batch_size 4] [--seeds 3]

A task of ``real_tasks.py`` on its own split, at 128 px; a comparison (``samadapt compare``) for each seed in
OUTPUT/SEED, with full fine-tuning of the nano SAM and a U-Net beside them, each at the rate of the comparison. A method
has the same rate from both starts.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from real_samples import list_set

from monai_samadapt.cli import main as samadapt
from monai_samadapt.compare import comparison_report

METHODS = ("s_sam", "sam2_lora", "balr_sam")


def columns() -> dict[str, dict[str, Any]]:
    """Name of a column → its ids."""
    nano: dict[str, dict[str, Any]] = {name: {} for name in METHODS}
    random = {f"{name}_random": {"method": name, "checkpoint": "random"} for name in METHODS}
    return nano | random | {"full_sam": {}, "unet": {}}


def dice(folder: Path) -> dict[str, float]:
    """Mean Dice of each column over the test cases."""
    entries = [entry for entry in comparison_report(folder).entries if entry.prompts == "none"]
    return {entry.column: float(entry.summary["overall"]["metrics"]["dice"]["mean"]) for entry in entries}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    output = options.output.resolve()
    entry = list_set(options.task, options.data.resolve(), output, options.epochs)
    ids = {"image_size": 128, "num_workers": 0, "batch_size": options.batch_size, "device": "cpu"}
    study = {"sets": {options.task: entry}, "methods": columns(), "folds": 1, "ids": ids}
    path = output / "study.json"
    path.write_text(json.dumps(study, indent=2) + "\n")
    found = []
    for seed in range(options.seeds):
        arguments = ["compare", "--study", str(path), "--output", str(output / str(seed)), "--seed", str(seed)]
        samadapt([*arguments, "--tracking_uri", "off"])
        found.append(dice(output / str(seed)))
    print(f"| {options.task} | Dice | of each seed |\n|---|---:|---|")
    for name in found[0]:
        each = [means[name] for means in found]
        print(f"| {name} | {statistics.mean(each):.3f} | {', '.join(f'{value:.3f}' for value in each)} |")


if __name__ == "__main__":
    main()
