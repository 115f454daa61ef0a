"""``samadapt doctor``: what is installed, and whether a training fits into the memory."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from monai_samadapt.bundle_folders import find_bundle, overlay_file, read_overlay
from monai_samadapt.errors import SamAdaptError

IDS = ("variant", "image_size", "labels", "rank", "batch_size", "samples_per_volume", "adapt_from_block", "device")


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("doctor", help=__doc__)
    parser.add_argument("--bundle", help="predict the memory of training this bundle: name or folder")
    parser.add_argument(
        "--overlay", action="append", default=[], help="configuration on top, as ct or low_memory, or a JSON file"
    )
    parser.add_argument("--memory_gib", type=float, help="memory to fit into; by default that of the device")
    parser.add_argument("--activation_checkpointing", help="True or False")
    parser.add_argument("--amp", help="True or False")
    for name in IDS:
        parser.add_argument(f"--{name}", help="id of the bundle")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the environment, or with a bundle the memory of a training step and the setting that fits."""
    if options.bundle is None:
        for key in ("overlay", *IDS):
            if given := getattr(options, key):
                raise SamAdaptError(key, given, "is for the memory of a bundle", "give --bundle too")
        from monai_samadapt.commands.environment import report

        print(report())
        return
    print(predict(options))


def predict(options: argparse.Namespace) -> str:
    """The memory of a training step of a bundle with some ids, and what to change where it does not fit."""
    import torch

    from monai_samadapt.engines.memory import GIB, BundleStep
    from monai_samadapt.engines.memory_advice import advice, budget_bytes

    config = read_configs(options)
    bundle = BundleStep(config)
    if not options.memory_gib and bundle.device.startswith("cuda") and not torch.cuda.is_available():
        raise SamAdaptError("device", bundle.device, "no CUDA device here", "give --memory_gib, the memory of the card")
    images, checkpointing, model = bundle.images, bundle.checkpointing, bundle.model
    step, total = model.traced(images, checkpointing), model.total(images, checkpointing)
    budget = int(options.memory_gib * GIB) if options.memory_gib else budget_bytes(bundle.device)
    precision = "bfloat16" if bundle.half else "float32"
    recompute = "on" if checkpointing else "off"
    size = f"{config['variant']} at {config['image_size']} px, {images} images a step"
    said = f"{size}, {precision}, checkpointing {recompute}"
    parts = f"weights {step.weights / GIB:.2f}, gradients and moments {step.training / GIB:.2f}"
    need = f"needs {total / GIB:.2f} GiB ({parts}, step {step.peak / GIB:.2f}), {budget / GIB:.2f} can be had"
    return "\n".join([said, need, "fits" if total <= budget else advice(model, images, checkpointing, budget)])


def read_configs(options: argparse.Namespace) -> dict[str, Any]:
    """The bundle's training configuration with overlays and ids."""
    from monai.bundle import ConfigParser

    logging.getLogger("monai.bundle.config_parser").setLevel(logging.ERROR)
    folder = Path(options.bundle) if Path(options.bundle).is_dir() else find_bundle(options.bundle)
    if not (folder / "configs" / "train.json").is_file():
        raise SamAdaptError("bundle", options.bundle, "has no configs/train.json", "give a bundle's name or folder")
    for overlay in options.overlay:
        read_overlay(folder, overlay)
    files = [overlay_file(folder, name) for name in ("train", *options.overlay)]
    parser = ConfigParser()
    parser.read_config([str(file) for file in files])
    for name in (*IDS, "activation_checkpointing", "amp"):
        if (value := getattr(options, name)) is not None:
            parser[name] = _value(value)
    return dict(parser.get())


def _value(text: str) -> Any:
    """A value as the command line of MONAI's bundles reads it."""
    try:
        return json.loads(text.replace("'", '"').replace("True", "true").replace("False", "false"))
    except ValueError:
        return text
