"""A small data set of procedural cases on disk, with its datalist."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_samadapt.datasets.procedural.ct import CT_LABELS, make_ct
from monai_samadapt.datasets.procedural.files import write_ct, write_png
from monai_samadapt.datasets.procedural.fundus import FUNDUS_LABELS, make_fundus
from monai_samadapt.datasets.split import SECTIONS
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path

CT_AXES = ("RAS", "LPS", "LAS", "RAS", "PIR")
CT_OBLIQUE = (0.0, 0.0, 12.0)
TEST_SHARE, VALIDATION_SHARE = 0.25, 0.15
TARGETS = ("disc_cup", "vessel")

Items = list[dict[str, str]]


def write_demo_dataset(
    folder: str | os.PathLike[str],
    kind: str,
    cases: int,
    seed: int = 0,
    shape: Sequence[int] = (96, 96, 40),
    spacing: Sequence[float] = (1.6, 1.6, 3.0),
    size: Sequence[int] = (256, 288),
    target: str = "disc_cup",
) -> Path:
    """Write procedural cases and a Decathlon-style datalist with relative paths.

    ``ct``: NIfTI volumes with differing axes, some oblique, with spacings up to 10 % from ``spacing``; every third case
    has no lesion. ``fundus``: PNG images with disc and cup (0, 1 rim, 2 cup) in ``labels`` and the field of view in
    ``masks``; the same images have their vessels (0, 255) in ``vessels``, listed by ``datalist_vessels.json``, which
    is ``datalist.json`` too for the target ``vessel``.

    Args:
        folder: where to write; made if missing.
        kind: ``ct`` or ``fundus``.
        cases: number of subjects, at least 3: one quarter is for the test, 15 % for validation, at least one each.
        seed: the same seed gives the same files.
        shape: voxels of a CT volume from left to right, back to front, feet to head.
        spacing: its millimetres along the same axes.
        size: height and width of a fundus image; every third image is an eighth larger.
        target: labels that ``datalist.json`` lists for fundus images: ``disc_cup`` or ``vessel``.

    Returns:
        path of ``datalist.json``.

    Raises:
        SamAdaptError: when ``kind`` or ``target`` is another word, or ``cases`` is below 3.
    """
    if kind not in ("ct", "fundus"):
        raise SamAdaptError("kind", kind, "is no kind of procedural data", "give 'ct' or 'fundus'")
    if target not in TARGETS:
        raise SamAdaptError("target", target, "is nothing that is labelled", f"give one of {', '.join(TARGETS)}")
    if cases < 3:
        raise SamAdaptError("cases", cases, "leaves a part of the split empty", "give at least 3")
    output = Path(folder)
    if kind == "ct":
        items = [_write_ct_case(output, index, seed, shape, spacing) for index in range(cases)]
        return _write_datalist(output / "datalist.json", CT_LABELS, items)
    items = [_write_fundus_case(output, index, seed, size) for index in range(cases)]
    vessels = [{**item, "label": item["label"].replace("labels/", "vessels/")} for item in items]
    listed: dict[str, tuple[Mapping[str, Any], Items]] = {
        "disc_cup": (FUNDUS_LABELS, items),
        "vessel": ({"Vessel": 255}, vessels),
    }
    _write_datalist(output / "datalist_vessels.json", *listed["vessel"])
    return _write_datalist(output / "datalist.json", *listed[target])


def _case_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def _write_ct_case(
    folder: Path, index: int, seed: int, shape: Sequence[int], spacing: Sequence[float]
) -> dict[str, str]:
    case_seed, subject = _case_seed(seed, index), f"ct_{index:03d}"
    scale = np.random.default_rng(case_seed).uniform(0.9, 1.1, 3)
    hu, label, affine = make_ct(
        case_seed,
        shape,
        tuple(float(value) for value in np.round(scale * np.asarray(spacing), 3)),
        lesion=index % 3 != 2,
        axcodes=CT_AXES[index % len(CT_AXES)],
        oblique_degrees=CT_OBLIQUE[index % len(CT_OBLIQUE)],
    )
    item = {"image": f"images/{subject}.nii.gz", "label": f"labels/{subject}.nii.gz", "subject": subject}
    write_ct(folder / item["image"], hu, affine)
    write_ct(folder / item["label"], label, affine)
    return item


def _write_fundus_case(folder: Path, index: int, seed: int, size: Sequence[int]) -> dict[str, str]:
    subject = f"fundus_{index:03d}"
    height, width = (int(side) * (9 if index % 3 == 2 else 8) // 8 for side in size)
    rgb, disc_cup, vessels, fov = make_fundus(_case_seed(seed, index), (height, width))
    name = f"{subject}.png"
    item = {"image": f"images/{name}", "label": f"labels/{name}", "mask": f"masks/{name}", "subject": subject}
    arrays = {"images": rgb, "labels": disc_cup, "vessels": 255 * vessels, "masks": 255 * fov}
    for kind, array in arrays.items():
        write_png(folder / kind / name, array)
    return item


def _write_datalist(path: Path, labels: Mapping[str, Any], items: Items) -> Path:
    test = max(1, round(TEST_SHARE * len(items)))
    validation = max(1, round(VALIDATION_SHARE * len(items)))
    bounds = (0, len(items) - validation - test, len(items) - test, len(items))
    parts = {name: items[bounds[k] : bounds[k + 1]] for k, name in enumerate(SECTIONS)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"labels": labels, **parts}, indent=2) + "\n", encoding="utf-8")
    return path
