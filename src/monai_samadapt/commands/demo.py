"""``samadapt demo``: make data, adapt a model to it, evaluate and infer, for each method; no downloads."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_samadapt.backbones.registry import REGISTRY
from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.commands.run_bundle import run_bundle
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.run_files import EVALUATION, MODEL, SUMMARY

CT_LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]
NANO = {"vit_nano": "sam_vit_nano", "hiera_nano": "sam2.1_hiera_nano"}


@dataclass(frozen=True)
class Task:
    """What a method is shown on.

    Attributes:
        data: kind of procedural data.
        overlay: configuration of the modality and labels.
        variant: nano base.
        epochs: of the training.
        learning_rate: peak.
        labels: of the label files, where the overlay does not say.
    """

    data: str
    overlay: str
    variant: str
    epochs: int
    learning_rate: float
    labels: tuple[str, ...] = ()


TASKS = {
    "s_sam": Task("ct", "ct", "vit_nano", 40, 2e-2, tuple(CT_LABELS)),
    "sam2_lora": Task("fundus", "fundus_disc_cup", "hiera_nano", 40, 1e-3),
    "balr_sam": Task("ct", "ct", "vit_nano", 40, 1e-3, tuple(CT_LABELS)),
}


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("demo", help=__doc__)
    parser.add_argument("--method", choices=[*TASKS, "all"], default="all", help="bundle to run")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to write to")
    parser.add_argument("--cases", type=int, default=16, help="procedural CT volumes, and fundus images")
    parser.add_argument("--epochs", type=int, help="of each training; by default what the method needs")
    parser.add_argument("--checkpoint", help="base weights of the nano variant; by default the embedded ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Make the data of both kinds and run the bundles of the methods asked for."""
    start, output = time.perf_counter(), options.output.resolve()
    for kind in ("ct", "fundus"):
        write_demo_dataset(output / "data" / kind, kind, options.cases, options.seed)
    print(f"made {options.cases} CT volumes and {options.cases} fundus images in {output / 'data'}")
    methods = list(TASKS) if options.method == "all" else [options.method]
    for method in methods:
        run_method(method, output, options)
    print(f"\nDone in {time.perf_counter() - start:.0f} s. Dice of the test cases, by the mean over them:")
    for method in methods:
        print(f"  {method:10s} {dice_line(output / method)}")
    print(f"Report of each, with pictures: {output}/METHOD/run/evaluation/report.html")
    print(f"Segmented cases: {output}/METHOD/predictions")
    print(f"Follow the runs: mlflow ui --backend-store-uri {database(output)}")


def run_method(method: str, output: Path, options: argparse.Namespace) -> None:
    """Train, evaluate and infer with one bundle."""
    task, bundle, training = TASKS[method], find_bundle(method), output / method / "run"
    checkpoint = options.checkpoint or default_base(task.variant)
    print(f"\n{method}: base weights {checkpoint}" + (" (never trained)" if checkpoint == "random" else ""))
    data = output / "data" / task.data
    shared: dict[str, Any] = {"dataset_dir": data, "variant": task.variant, "image_size": 128, "seed": options.seed}
    shared |= {"labels": list(task.labels)} if task.labels else {}
    settings = {"checkpoint": checkpoint, "max_epochs": options.epochs or task.epochs, "val_interval": 5}
    settings |= {"learning_rate": task.learning_rate, "batch_size": 8}
    tracked = {"output_dir": training, "num_workers": 0, "tracking_uri": database(output)}
    run_bundle(bundle, ["train", task.overlay], {**shared, **settings, **tracked})
    run_bundle(bundle, ["train", "evaluate", task.overlay], {**shared, **tracked})
    predict = {"output_dir": output / method / "predictions", "model_file": training / MODEL}
    run_bundle(bundle, ["inference", task.overlay], {**shared, **predict, "datalist": data / "datalist.json"})


def database(output: Path) -> str:
    """The MLflow database of all methods."""
    return f"sqlite:///{output / 'mlflow.db'}"


def default_base(variant: str) -> str:
    """The embedded nano base, or ``random`` while there is none."""
    return NANO[variant] if NANO[variant] in REGISTRY else "random"


def dice_line(folder: Path) -> str:
    """Mean Dice by label of a method's evaluation.

    Raises:
        SamAdaptError: when there is none.
    """
    path = folder / "run" / EVALUATION / SUMMARY
    if not path.is_file():
        raise SamAdaptError("output", str(path), "no such file", "run the demo into an empty folder")
    return _dice(json.loads(path.read_text()))


def _dice(summary: dict[str, Any]) -> str:
    means = {label: part["metrics"]["dice"]["mean"] for label, part in summary["labels"].items()}
    return "  ".join(f"{label} {value:.3f}" for label, value in means.items())
