"""The real data sets of ``real_samples.py``: what is trained on and tested on, how it is read, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from monai_samadapt.datasets import Split, split_by_subject, write_split
from monai_samadapt.datasets.chase_db1 import read_chase_db1
from monai_samadapt.datasets.drishti import read_drishti
from monai_samadapt.datasets.scan import image_stem, pair_images

LUNG1_LABELS = {"Left lung": 1, "Right lung": 2, "Spinal cord": 3}
TUMOUR = 4
OF_TOTALSEG = ("Small bowel", "Colon", "Left hip", "Right hip")
TOTALSEG_LABELS = dict(zip(OF_TOTALSEG, (18, 20, 77, 78), strict=True)) | {
    f"{side} {muscle}": first + place
    for muscle, first in (("autochthon", 86), ("iliopsoas", 88))
    for place, side in enumerate(("Left", "Right"))
}


@dataclass(frozen=True)
class Task:
    """A data set of a study.

    Attributes:
        split: its own split; of a cross-validation all items are taken.
        overlay: configuration of the modality.
        epochs: of a training, by default.
        ids: of the data.
    """

    split: Split
    overlay: str
    epochs: int
    ids: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the datalist; how a study names the set."""
        path = write_split(self.split, folder / "datalist.json")
        return {"dataset_dir": str(self.split.root), "datalist": str(path), "overlay": self.overlay, "ids": self.ids}


def cxr(data: Path, output: Path) -> Task:
    """Lungs in chest X-rays: 42 to train, 6 to validate, 12 to test; every image is a subject."""
    images = sorted((data / "images").iterdir())
    masks = {path.stem.removesuffix("_mask"): path for path in (data / "masks").iterdir()}
    items = [{"image": str(p), "label": str(masks[p.stem]), "subject": p.stem} for p in images]
    return Task(Split(*split_by_subject(items, (0.7, 0.1, 0.2)), root=data), "image2d", 60, {"labels": ["Lungs"]})


def ct(data: Path, output: Path) -> Task:
    """Lower half of a CT for training and validation, upper half for the test; the tumour set to background."""
    volume, label = (nib.load(next(data.glob(pattern))) for pattern in ("*ct*.nii.gz", "*seg*.nii.gz"))
    depth = volume.shape[2]
    cuts = {"training": (0, 3 * depth // 8), "validation": (3 * depth // 8, depth // 2), "test": (depth // 2, depth)}
    items = {name: [_slab(volume, label, cut, output / name, {TUMOUR: 0})] for name, cut in cuts.items()}
    split = Split(items["training"], items["validation"], items["test"], root=data)
    return Task(split, "ct", 150, {"labels": LUNG1_LABELS, "window": [-1000, 400]})


def totalseg(data: Path, output: Path) -> Task:
    """One CT in three contiguous slabs along z, each tested on a training on the others; 8 structures, halves of slabs.

    The labels are another model's output. Of the structures four are in all slabs and four in two of them.
    """
    volume, label = (nib.load(next(data.glob(pattern))) for pattern in ("*_ct*.nii.gz", "*_seg*.nii.gz"))
    cuts = np.linspace(0, volume.shape[2], 7).round().astype(int).tolist()
    kept = {
        value: 0 for value in np.unique(np.asarray(label.dataobj)).tolist() if value not in TOTALSEG_LABELS.values()
    }
    items = [
        _slab(volume, label, (cuts[half], cuts[half + 1]), output / f"slab{half // 2 + 1}{'ab'[half % 2]}", kept)
        | {"fold": f"slab {half // 2 + 1}"}
        for half in range(6)
    ]
    return Task(Split(items[:3], items[3:4], items[4:], root=data), "ct", 40, {"labels": TOTALSEG_LABELS})


def _slab(volume: Any, label: Any, cut: tuple[int, int], target: Path, other: Mapping[int, int]) -> dict[str, Any]:
    """Write some slices of a volume and of its labels, with changed values; the item of a datalist."""
    target.parent.mkdir(parents=True, exist_ok=True)
    affine = volume.affine.copy()
    affine[:3, 3] = (volume.affine @ [0, 0, cut[0], 1])[:3]
    paths = {key: f"{target}_{key}.nii.gz" for key in ("image", "label")}
    nib.save(nib.Nifti1Image(np.asarray(volume.dataobj[:, :, slice(*cut)]), affine), paths["image"])
    values = np.asarray(label.dataobj[:, :, slice(*cut)]).astype(np.uint8)
    for old, new in other.items():
        values[values == old] = new
    nib.save(nib.Nifti1Image(values, affine), paths["label"])
    return {**paths, "subject": target.name}


def chase(data: Path, output: Path) -> Task:
    """Vessels of subjects 01 to 06 to train, 07 to validate, 08 to 10 to test; prints the second observer's Dice."""
    split = read_chase_db1(data)
    dice = [_dice(Path(item["label"]), Path(item["second_observer"])) for item in split.test]
    print(f"second observer against the first, test images: Dice {np.mean(dice):.3f} (N {len(dice)})")
    return Task(split, "fundus_vessel", 40)


def drishti(data: Path, output: Path) -> Task:
    """Optic disc: 16 photographs to train, 4 to validate, 10 to test."""
    return Task(read_drishti(data), "fundus_disc", 40)


def drishti_cup(data: Path, output: Path) -> Task:
    """Optic disc and cup."""
    return Task(read_drishti(data), "fundus_disc_cup", 30)


def kvasir(data: Path, output: Path) -> Task:
    """Polyps; every image is a subject, for the set does not say whose it is."""
    return _pictures(data, {"Polyp": 1}, 50)


def bus_bra(data: Path, output: Path) -> Task:
    """Lesions in breast ultrasound, benign (1) or malignant (2); the subject is the number in the name."""
    return _pictures(data, {"Lesion": [1, 2]}, 40, lambda stem: stem.rpartition("_")[2].partition("-")[0])


def glas(data: Path, output: Path) -> Task:
    """Glands in histology; every image is a subject, for the set does not say which are of one patient."""
    return _pictures(data, {"Gland": 1}, 50)


def _pictures(
    data: Path, labels: Mapping[str, Any], epochs: int, subject: Callable[[str], str] = lambda stem: stem
) -> Task:
    pairs = pair_images(data / "images", data / "labels")
    items = [
        {"image": str(image), "label": str(label), "subject": subject(image_stem(image))} for image, label in pairs
    ]
    return Task(Split(*split_by_subject(items, (0.7, 0.1, 0.2)), root=data), "image2d", epochs, {"labels": labels})


def _dice(first: Path, second: Path) -> float:
    masks = [np.asarray(Image.open(path).convert("L")) > 0 for path in (first, second)]
    return 2 * float((masks[0] & masks[1]).sum()) / float(masks[0].sum() + masks[1].sum())


TASKS: dict[str, tuple[str, Callable[[Path, Path], Task]]] = {
    "cxr": ("cxr_shenzhen", cxr),
    "ct": ("lung1_ct", ct),
    "totalseg": ("totalseg_ct_pseudo", totalseg),
    "chase": ("chase_db1", chase),
    "drishti": ("drishti_gs_1024", drishti),
    "drishti_cup": ("drishti_gs_1024", drishti_cup),
    "kvasir": ("kvasir_polyp", kvasir),
    "bus_bra": ("bus_bra", bus_bra),
    "glas": ("glas", glas),
}
"""Task → folder below that of all data sets, and its function."""
