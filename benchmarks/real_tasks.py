"""The real data sets of ``real_samples.py``: what is trained on, what is tested on, how it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from monai_samadapt.datasets import Split, split_by_subject, write_split
from monai_samadapt.datasets.chase_db1 import read_chase_db1
from monai_samadapt.datasets.drishti import read_drishti

Task = dict[str, Any]

LUNG1_LABELS = {"Left lung": 1, "Right lung": 2, "Spinal cord": 3}
TUMOUR = 4


def cxr(data: Path, output: Path, seed: int) -> Task:
    """List image and mask pairs; nothing is copied."""
    images = sorted((data / "images").iterdir())
    masks = {path.stem.removesuffix("_mask"): path for path in (data / "masks").iterdir()}
    items = [{"image": str(p), "label": str(masks[p.stem]), "subject": p.stem} for p in images]
    parts = split_by_subject(items, (0.7, 0.1, 0.2), seed)
    path = write_split(Split(*parts), output / "datalist.json")
    return {"overlay": "image2d", "ids": {"datalist": path, "labels": ["Lungs"]}}


def ct(data: Path, output: Path, seed: int) -> Task:
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
    return {"overlay": "ct", "ids": {"datalist": path, "labels": LUNG1_LABELS, "window": [-1000, 400]}}


def chase(data: Path, output: Path, seed: int) -> Task:
    """Vessels of subjects 01 to 06 to train, 07 to validate, 08 to 10 to test; prints the second observer's Dice."""
    split = read_chase_db1(data)
    dice = [_dice(Path(item["label"]), Path(item["second_observer"])) for item in split.test]
    print(f"second observer against the first, test images: Dice {np.mean(dice):.3f} (N {len(dice)})")
    return {"overlay": "fundus_vessel", "ids": _listed(split, data, output)}


def drishti(data: Path, output: Path, seed: int) -> Task:
    """Optic disc: 16 photographs to train, 4 to validate, 10 to test."""
    return {"overlay": "fundus_disc", "ids": _listed(read_drishti(data), data, output)}


def _listed(split: Split, data: Path, output: Path) -> Task:
    """The split's paths are relative to the data."""
    return {"dataset_dir": data, "datalist": write_split(split, output / "datalist.json")}


def _dice(first: Path, second: Path) -> float:
    masks = [np.asarray(Image.open(path).convert("L")) > 0 for path in (first, second)]
    return 2 * float((masks[0] & masks[1]).sum()) / float(masks[0].sum() + masks[1].sum())


TASKS: dict[str, Callable[[Path, Path, int], Task]] = {"cxr": cxr, "ct": ct, "chase": chase, "drishti": drishti}
