"""ChestX-Det: thirteen findings in chest X-rays, as polygons that may overlap (Lian et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_samadapt.datasets.public.describe import Case, Found, Made, PublicSet
from monai_samadapt.datasets.public.find import find_root, in_folder, pairs
from monai_samadapt.datasets.public.outlines import fill, image_shape, load_json
from monai_samadapt.datasets.public.pictures import write_png
from monai_samadapt.errors import SamAdaptError

FINDINGS = (
    *("Effusion", "Nodule", "Cardiomegaly", "Fibrosis", "Consolidation", "Emphysema", "Mass", "Fracture"),
    *("Calcification", "Pleural Thickening", "Pneumothorax", "Atelectasis", "Diffuse Nodule"),
)
LAST_TRAINING = 69565
Bits = NDArray[np.uint16]
Annotation = Mapping[str, Any]


def read_chestx_det(source: Path) -> Found:
    """``train/36199.png`` and ``test/…`` with ``ChestX_Det_train.json`` and ``ChestX_Det_test.json``.

    A pixel may have several findings. Each set of findings that occurs together in some pixel gets a value of its own,
    and each finding has the values of all sets it is in.
    """
    root = find_root(source, "ChestX_Det_train.json", "ChestX_Det_test.json", "train*", "test*")
    drawn: list[tuple[str, Path, Annotation, str]] = []
    for part in ("train", "test"):
        path = root / f"ChestX_Det_{part}.json"
        annotations = _by_name(load_json(path), path)
        images = in_folder(_images(root, part), r"(\d+)\.png", (".png",))
        for key, image, _ in pairs(images, dict.fromkeys(annotations, path), "annotation"):
            drawn.append((key, image, annotations[key], part))
    sets = sorted({value for _, image, annotation, _ in drawn for value in _sets(image, annotation, root)})
    codes = {value: code for code, value in enumerate(sets, start=1)}
    labels = {
        name: [code for value, code in codes.items() if value >> bit & 1]
        for bit, name in enumerate(FINDINGS)
        if any(value >> bit & 1 for value in codes)
    }
    cases = [
        Case(f"{part}_{key}", image, Made(partial(_write, image, annotation, codes, root)), key, _section(key, part))
        for key, image, annotation, part in drawn
    ]
    absent = [name for name in FINDINGS if name not in labels]
    return Found(cases, root, labels, [f"no image has {', '.join(absent)}"] if absent else [])


def draw(image: Path, annotation: Annotation, file: Path) -> Bits:
    """The findings of each pixel (rows, columns): bit k for the k-th of `FINDINGS`.

    Raises:
        SamAdaptError: for a finding that is none of them, or a polygon that is none.
    """
    shape = image_shape(image)
    bits = np.zeros(shape, np.uint16)
    for name, outline in zip(annotation["syms"], annotation["polygons"], strict=True):
        if name not in FINDINGS:
            raise SamAdaptError("label", name, f"is no finding of this data set, in {file}", "get that file again")
        bits[fill(outline, shape, file)] |= np.uint16(1 << FINDINGS.index(name))
    return bits


def _sets(image: Path, annotation: Annotation, root: Path) -> Sequence[int]:
    """The sets of findings in an image's pixels; only those with several findings have to be drawn."""
    names = set(annotation["syms"])
    if len(names) == 1 and names <= set(FINDINGS):
        return [1 << FINDINGS.index(next(iter(names)))]
    found: list[int] = np.unique(draw(image, annotation, root)).tolist() if names else []
    return [value for value in found if value]


def _write(image: Path, annotation: Annotation, codes: Mapping[int, int], root: Path, target: Path) -> None:
    table = np.zeros(1 << len(FINDINGS), np.uint16)
    table[list(codes)] = list(codes.values())
    label = table[draw(image, annotation, root)]
    write_png(label.astype(np.uint8) if len(codes) < 256 else label, target)


def _section(key: str, part: str) -> str:
    if part == "test":
        return "test"
    return "training" if int(key) <= LAST_TRAINING else "validation"


def _images(root: Path, part: str) -> Path:
    """The folder of the pictures: ``train``, or ``train_data/train`` as the archive may be unpacked."""
    folders = (root / part, root / f"{part}_data" / part, root / f"{part}_data")
    return next((folder for folder in folders if any(folder.glob("*.png"))), folders[0])


def _by_name(content: Any, path: Path) -> dict[str, Annotation]:
    try:
        result = {Path(entry["file_name"]).stem: entry for entry in content}
        fit = all(len(entry["syms"]) == len(entry["polygons"]) for entry in content)
    except (TypeError, KeyError):
        fit = False
    if not fit:
        problem = "is no list of file_name, syms and polygons"
        raise SamAdaptError("file", str(path), problem, "get this file again")
    return result


SETS = (
    PublicSet(
        name="chestx_det",
        title="ChestX-Det",
        target="thirteen findings in chest X-rays, overlapping",
        home="https://github.com/Deepwise-AILab/ChestX-Det-Dataset",
        licence="Apache-2.0 for the annotations (unconfirmed); images of NIH ChestX-ray14",
        citation="Lian et al., A structure-aware relation network for thoracic diseases detection and segmentation. "
        "IEEE TMI 2021; Wang et al., ChestX-ray8. CVPR 2017",
        split="of S-SAM: ids up to 69565 train, later ones of the training part validate, official test",
        encoding="JSON polygons that overlap; each set of findings in a pixel gets a value",
        read=read_chestx_det,
        modality="image2d",
        count=3578,
    ),
)
