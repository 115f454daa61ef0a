"""The first click on an image against the next ones, through MONAI Label's inference task of a packed bundle.

    python benchmarks/click_session.py --bundle s_sam --variant vit_b --image_size 512

Everything between a request and the written answer is in the times: reading, preprocessing, network, undoing, writing.
Each first click is on an image not seen before; the network is warm. Weights are random, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import torch

from monai_samadapt.commands.bundles import find_bundle
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.label_server.tasks import SamAdaptInfer
from monai_samadapt.packing import pack_base

CLICKS = 4


def main() -> None:
    """Measure and print one line of JSON for each kind of image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="s_sam", choices=["s_sam", "sam2_lora"])
    parser.add_argument("--variant", default="vit_b")
    parser.add_argument("--image_size", type=int, default=512)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", type=int, default=512, help="side of the pictures and slices in pixels")
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--kinds", nargs="+", choices=["fundus", "ct"], default=["fundus", "ct"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            overlay = "ct" if kind == "ct" else "fundus_disc"
            print(json.dumps(measure(Path(folder), kind, overlay, options)), flush=True)


def measure(folder: Path, kind: str, overlay: str, options: argparse.Namespace) -> dict[str, Any]:
    """Median seconds of first and later clicks, and their ratio."""
    ids = {"variant": options.variant, "checkpoint": "random", "image_size": options.image_size}
    bundle = folder / f"{kind}_deepgrow"
    pack_base(find_bundle(options.bundle), [overlay], bundle, ids)
    shape = {"size": (options.size,) * 2} if kind == "fundus" else {"shape": (options.size,) * 2 + (options.slices,)}
    write_demo_dataset(folder / kind, kind, options.images + 1, 0, **shape)
    task = SamAdaptInfer(str(bundle), {})
    first, later = [], []
    for number, image in enumerate(sorted((folder / kind / "images").iterdir())):
        times = [click(task, image, place, options) for place in range(CLICKS)]
        if number:  # the first image warms up
            first.append(times[0])
            later += times[1:]
    medians = statistics.median(first), statistics.median(later)
    where = torch.cuda.get_device_name() if options.device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    return {
        "kind": kind,
        "bundle": options.bundle,
        "variant": options.variant,
        "image_size": options.image_size,
        "source": [options.size] * 2 + ([options.slices] if kind == "ct" else []),
        "device": where,
        "first_click_seconds": round(medians[0], 3),
        "later_click_seconds": round(medians[1], 3),
        "ratio": round(medians[0] / medians[1], 2),
    }


def click(task: SamAdaptInfer, image: Path, place: int, options: argparse.Namespace) -> float:
    """Seconds for one more click on an image."""
    points = [[10 + index, 10] for index in range(place + 1)]
    if image.name.startswith("ct"):  # the file may stack its slices along any axis
        axis = nib.load(image).shape.index(options.slices)
        points = [[*point[:axis], options.slices // 2, *point[axis:]] for point in points]
    request = {"image": str(image), "foreground": points, "device": options.device, "logging": "ERROR"}
    start = time.perf_counter()
    path, answer = task(request)
    seconds = time.perf_counter() - start
    assert answer["encoded"] == int(place == 0), answer
    os.remove(str(path))
    return seconds


if __name__ == "__main__":
    main()
