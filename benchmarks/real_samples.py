"""Train, evaluate and infer on real images by the bundle's own commands, beside a plain U-Net with the same budget.

    python benchmarks/real_samples.py TASK DATA OUTPUT [--checkpoint random] [--epochs 60] [--seed 0] [--device cpu]

TASK ``cxr``: lungs in chest X-rays. DATA holds ``images/`` and ``masks/`` (Shenzhen set); every image is a subject,
split 70 : 10 : 20 by a seed.

TASK ``ct``: both lungs and spinal cord in one CT. DATA holds one volume and its label map (LUNG1-001); trained on the
lower half of its slices (a quarter of them held out for the choice of the epoch), tested on the upper half. The tumour
lies in the upper half and is left out. One patient on both sides: this shows that the path works, not how well a model
does on another patient.

Both networks see the same images, slices, augmentation, loss, optimiser, epochs and batch. Prints Dice on the test
cases and the time of training, and writes them to OUTPUT/result.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from monai_samadapt.commands.bundles import find_bundle
from monai_samadapt.datasets import Split, split_by_subject, write_split

Settings = dict[str, Any]


def prepare_cxr(data: Path, output: Path, seed: int) -> Settings:
    """List image and mask pairs; nothing is copied."""
    images = sorted((data / "images").iterdir())
    masks = {path.stem.removesuffix("_mask"): path for path in (data / "masks").iterdir()}
    items = [{"image": str(p), "label": str(masks[p.stem]), "subject": p.stem} for p in images]
    parts = split_by_subject(items, (0.7, 0.1, 0.2), seed)
    path = write_split(Split(*parts), output / "datalist.json")
    return {"datalist": path, "labels": ["Lungs"], "overlay": "image2d"}


def prepare_ct(data: Path, output: Path, seed: int) -> Settings:
    """Cut the volume: lower half for training and validation, upper half for the test; tumour set to background."""
    volume, label = (nib.load(next(data.glob(pattern))) for pattern in ("*ct*.nii.gz", "*seg*.nii.gz"))
    depth = volume.shape[2]
    cuts = {"training": (0, 3 * depth // 8), "validation": (3 * depth // 8, depth // 2), "test": (depth // 2, depth)}
    items: dict[str, list[dict[str, str]]] = {}
    (output / "data").mkdir(parents=True, exist_ok=True)
    for name, (start, stop) in cuts.items():
        affine = volume.affine.copy()
        affine[:3, 3] = (volume.affine @ [0, 0, start, 1])[:3]
        paths = {key: str(output / "data" / f"{name}_{key}.nii.gz") for key in ("image", "label")}
        nib.save(nib.Nifti1Image(np.asarray(volume.dataobj[:, :, start:stop]), affine), paths["image"])
        values = np.asarray(label.dataobj[:, :, start:stop]).astype(np.uint8)
        nib.save(nib.Nifti1Image(np.where(values == TUMOUR, 0, values).astype(np.uint8), affine), paths["label"])
        items[name] = [{**paths, "subject": f"LUNG1-001 {name}"}]
    path = write_split(Split(items["training"], items["validation"], items["test"]), output / "datalist.json")
    return {"datalist": path, "labels": LUNG1_LABELS, "overlay": "ct", "window": [-1000, 400]}


LUNG1_LABELS = {"Left lung": 1, "Right lung": 2, "Spinal cord": 3}
TUMOUR = 4
TASKS = {"cxr": prepare_cxr, "ct": prepare_ct}


def run_bundle(configs: list[str], settings: Settings) -> None:
    """``python -m monai.bundle run`` with the configuration files and settings given."""
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(configs)]
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    subprocess.run(command, check=True)


def train_and_test(method: str, task: Settings, options: argparse.Namespace) -> Settings:
    """The three workflows of one network."""
    bundle, folder = find_bundle("s_sam"), options.output / method
    config = {name: str(bundle / "configs" / f"{name}.json") for name in ("train", "evaluate", "inference")}
    extra = [str(bundle / "configs" / f"{task['overlay']}.json")]
    extra += [str(Path(__file__).with_name("unet.json"))] if method == "unet" else []
    shared = {
        "bundle_root": bundle,
        "dataset_dir": options.output,
        "datalist": task["datalist"],
        "labels": task["labels"],
        "variant": options.variant,
        "image_size": options.image_size,
        "device": options.device,
        "seed": options.seed,
    }
    shared |= {"window": task["window"]} if "window" in task else {}
    training = {"checkpoint": options.checkpoint, "max_epochs": options.epochs, "output_dir": folder, "num_workers": 0}
    training |= {"learning_rate": options.learning_rate, "val_interval": max(1, options.epochs // 10)}
    training |= {"batch_size": options.batch_size, "samples_per_volume": options.batch_size}
    start = time.perf_counter()
    run_bundle([config["train"], *extra], {**shared, **training})
    seconds = time.perf_counter() - start
    run_bundle([config["train"], config["evaluate"], *extra], {**shared, "output_dir": folder, "num_workers": 0})
    predictions = {"output_dir": folder / "predictions", "model_file": folder / "model.pt"}
    run_bundle([config["inference"], *extra], {**shared, **predictions})
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    return {"method": method, "seconds": round(seconds), "summary": summary}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--methods", nargs="+", default=["s_sam", "unet"])
    parser.add_argument("--checkpoint", default="random")
    parser.add_argument("--variant", default="vit_nano")
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, default=3e-3)
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
        dice = result["summary"]["overall"]["metrics"]["dice"]
        print(f"{result['method']}: Dice {dice['mean']:.3f} {dice['ci95']} (N {dice['n']}), {result['seconds']} s")


if __name__ == "__main__":
    main()
