"""Train, evaluate and infer on real images by the bundles' own commands, beside a plain U-Net with the same budget.

    python benchmarks/real_samples.py TASK DATA OUTPUT [--methods s_sam unet] [--epochs 60] [--seed 0] [--device cpu]

TASK ``cxr``: lungs in chest X-rays. DATA holds ``images/`` and ``masks/`` (Shenzhen set); every image is a subject,
split 70 : 10 : 20 by a seed.

TASK ``ct``: both lungs and spinal cord in one CT. DATA holds one volume and its label map (LUNG1-001); trained on the
lower half of its slices (a quarter of them held out for the choice of the epoch), tested on the upper half. The tumour
lies in the upper half and is left out. One patient on both sides: this shows that the path works, not how well a model
does on another patient.

TASK ``chase``: vessels of CHASE_DB1. TASK ``drishti``: optic disc of DRISHTI-GS. Splits: ``real_tasks.py``.

All networks see the same images, slices, augmentation, epochs and batch; each bundle has its own loss, optimiser and
prompts in training, and the U-Net those of S-SAM. SAM2LoRA is evaluated once for each prompt mode; the prompts come
from the ground truth. Prints Dice and AUC on the test cases and the time of training, and writes OUTPUT/result.json.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_tasks import TASKS, Task

from monai_samadapt.commands.bundles import find_bundle
from monai_samadapt.commands.run_bundle import run_bundle
from monai_samadapt.prompts import MODES

UNET = Path(__file__).with_name("unet.json")


@dataclass(frozen=True)
class Method:
    """How a method is run: its bundle, further configurations, base, peak learning rate and prompts of evaluation."""

    bundle: str
    variant: str
    checkpoint: str
    learning_rate: float
    extra: tuple[Path, ...] = ()
    modes: tuple[str, ...] = ("none",)


METHODS = {
    "s_sam": Method("s_sam", "vit_nano", "sam_vit_nano", 3e-3),
    "balr_sam": Method("balr_sam", "vit_nano", "sam_vit_nano", 1e-3),
    "sam2_lora": Method("sam2_lora", "hiera_nano", "sam2.1_hiera_nano", 1e-3, modes=tuple(MODES)),
    "unet": Method("s_sam", "vit_nano", "random", 3e-3, (UNET,)),
}


def train_and_test(name: str, task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """The three workflows of one method."""
    method, folder = METHODS[name], options.output / name
    bundle, overlays = find_bundle(method.bundle), [task["overlay"], *method.extra]
    shared = {"dataset_dir": options.output, "variant": options.variant or method.variant, "seed": options.seed}
    shared |= {"image_size": options.image_size, "device": options.device, **task["ids"]}
    training = {"checkpoint": options.checkpoint or method.checkpoint, "max_epochs": options.epochs}
    training |= {"learning_rate": options.learning_rate or method.learning_rate, "num_workers": 0}
    training |= {"batch_size": options.batch_size, "samples_per_volume": options.batch_size}
    training |= {"val_interval": max(1, options.epochs // 10), "output_dir": folder}
    start = time.perf_counter()
    run_bundle(bundle, ["train", *overlays], {**shared, **training})
    seconds = time.perf_counter() - start
    evaluation = {"output_dir": folder, "num_workers": 0, "prompt_modes": list(method.modes)}
    run_bundle(bundle, ["train", "evaluate", *overlays], {**shared, **evaluation})
    predictions = {"output_dir": folder / "predictions", "model_file": folder / "model.pt"}
    run_bundle(bundle, ["inference", *overlays], {**shared, **predictions})
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    return {"method": name, "seconds": round(seconds), "summary": summary}


def report(result: dict[str, Any]) -> None:
    """Print a line for each prompt mode."""
    print(f"{result['method']}: training {result['seconds']} s")
    summary = result["summary"]
    for part in (summary, *summary.get("other_prompts", [])):
        dice, auc = (part["overall"]["metrics"][name] for name in ("dice", "auc"))
        interval = ", ".join("-" if value is None else f"{value:.3f}" for value in dice["ci95"])  # none of one case
        print(f"  {part['prompts']}: Dice {dice['mean']:.3f} [{interval}], AUC {auc['mean']:.4f} (N {dice['n']})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["s_sam", "unet"])
    parser.add_argument("--checkpoint", help="base weights, of all methods; by default the nano base of each")
    parser.add_argument("--variant", help="of all methods; by default the nano variant of each")
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, help="by default that of each method")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    options.output = options.output.resolve()
    options.output.mkdir(parents=True, exist_ok=True)
    task = TASKS[options.task](options.data.resolve(), options.output, options.seed)
    results = [train_and_test(method, task, options) for method in options.methods]
    record = {"arguments": {key: str(value) for key, value in vars(options).items()}, "results": results}
    (options.output / "result.json").write_text(json.dumps(record, indent=2) + "\n")
    for result in results:
        report(result)


if __name__ == "__main__":
    main()
