"""``samadapt demo``: make data, train S-SAM on it, evaluate and infer; no downloads."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from monai_samadapt.commands.bundles import find_bundle
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.errors import SamAdaptError

LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("demo", help=__doc__)
    parser.add_argument("--method", default="s_sam", help="bundle to run")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder to write to")
    parser.add_argument("--cases", type=int, default=16, help="procedural CT volumes")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--checkpoint", help="base weights of vit_nano; by default the embedded ones, else random")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the bundle's three workflows on procedural CT, each by the command line a user would type."""
    start, output = time.perf_counter(), options.output.resolve()
    bundle, data, training = find_bundle(options.method), output / "data", output / "run"
    checkpoint = options.checkpoint or default_base()
    print(f"base weights: {checkpoint}" + (" (never trained)" if checkpoint == "random" else ""))
    write_demo_dataset(data, "ct", options.cases, options.seed)
    shared = {"dataset_dir": data, "variant": "vit_nano", "image_size": 128, "labels": LABELS, "seed": options.seed}
    train = {"checkpoint": checkpoint, "max_epochs": options.epochs, "val_interval": 5, "num_workers": 0}
    run_bundle(bundle, ["train", "ct"], {**shared, **train, "output_dir": training, "learning_rate": 3e-3})
    run_bundle(bundle, ["train", "evaluate", "ct"], {**shared, "output_dir": training, "num_workers": 0})
    predict = {**shared, "output_dir": output / "predictions", "model_file": training / "model.pt"}
    run_bundle(bundle, ["inference", "ct"], {**predict, "datalist": data / "datalist.json"})
    print(f"\nDone in {time.perf_counter() - start:.0f} s. Segmented test volumes: {output / 'predictions'}")
    print(f"Table and overlay pictures of the test cases: {training / 'evaluation'}")


def default_base() -> str:
    """The embedded nano base, or ``random`` while there is none."""
    weights = Path(__file__).resolve().parents[1] / "weights" / "sam_vit_nano.safetensors"
    return "sam_vit_nano" if weights.is_file() else "random"


def run_bundle(bundle: Path, configs: list[str], settings: dict[str, Any]) -> None:
    """Run ``python -m monai.bundle run`` and print the command.

    Raises:
        SamAdaptError: when it fails.
    """
    files = [str(bundle / "configs" / f"{name}.json") for name in configs]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(files), "--bundle_root", str(bundle)]
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    print(f"\n$ {shlex.join(command)}", flush=True)
    if subprocess.run(command, check=False).returncode:
        raise SamAdaptError("demo", configs[0], "this step failed", "read its last line above")
