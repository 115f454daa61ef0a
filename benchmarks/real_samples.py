"""Compare methods on real images: list the sets as a study and run ``samadapt compare`` on it.

    python benchmarks/real_samples.py TASK[,TASK…] DATA OUTPUT [--epochs N] [--folds 1] [options of samadapt compare]

DATA is the folder of the task's data set, or one that holds those of all tasks (see ``real_tasks.py``). Tasks: ``cxr``
lungs in chest X-rays; ``ct`` lungs and cord in one CT, ``totalseg`` 8 structures in one CT; ``chase`` vessels;
``drishti`` disc, ``drishti_cup`` disc and cup; ``kvasir`` polyps; ``bus_bra`` lesions in ultrasound; ``glas`` glands.
By default one fold, the task's own split, S-SAM beside the U-Net, 256 pixels. ``--all_prompts``: SAM2LoRA is evaluated
once for each source of prompts; they come from the ground truth. A CT that is on both sides of a split shows that the
path works, not how well a model does on another patient.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from real_tasks import TASKS

from monai_samadapt.cli import main as samadapt
from monai_samadapt.prompts import MODES


def list_set(name: str, data: Path, output: Path, epochs: int | None) -> dict[str, Any]:
    """Write the datalist of a task; its entry in the study."""
    folder, function = TASKS[name]
    task = function(data / folder if (data / folder).is_dir() else data, output / "data" / name)
    epochs = epochs or task.epochs
    entry = task.write(output / "data" / name)
    return entry | {"ids": {**task.ids, "max_epochs": epochs, "val_interval": max(1, epochs // 10)}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", type=lambda text: text.split(","))
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--methods", nargs="+", default=["s_sam", "unet"])
    parser.add_argument("--epochs", type=int, help="by default those of each task")
    parser.add_argument("--all_prompts", action="store_true", help="evaluate SAM2LoRA with each source of prompts")
    options, others = parser.parse_known_args()
    data, output = options.data.resolve(), options.output.resolve()
    methods: dict[str, dict[str, Any]] = {name: {} for name in options.methods}
    if options.all_prompts and "sam2_lora" in methods:
        methods["sam2_lora"] = {"prompt_modes": list(MODES)}
    sets = {name: list_set(name, data, output, options.epochs) for name in options.tasks}
    ids = {"image_size": 256, "num_workers": 0, "batch_size": 8, "device": "cpu"}
    study = output / "tasks.json"
    study.write_text(json.dumps({"sets": sets, "methods": methods, "folds": 1, "ids": ids}, indent=2) + "\n")
    return samadapt(["compare", "--study", str(study), "--output", str(output), *others])


if __name__ == "__main__":
    sys.exit(main())
