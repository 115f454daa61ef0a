"""Histology, dermoscopy and ultrasound: GlaS, ISIC 2017, and the simulated abdominal ultrasound."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from monai_samadapt.datasets.public.describe import NOT_ESTABLISHED, Case, Found, LabelValues, Made, PublicSet
from monai_samadapt.datasets.public.find import below, find_root, in_folder, pairs
from monai_samadapt.datasets.public.pictures import binary, decode_colours, decode_instances, label_picture
from monai_samadapt.errors import SamAdaptError

GLANDS: LabelValues = {"Glands": 1}
LESION: LabelValues = {"Skin Lesion": [1, 255]}
ORGANS = {
    "Liver": (100, 0, 100),
    "Kidney": (255, 255, 0),
    "Pancreas": (0, 0, 255),
    "Vessels": (255, 0, 0),
    "Adrenals": (0, 255, 255),
    "Gall Bladder": (0, 255, 0),
    "Bones": (255, 255, 255),
    "Spleen": (255, 0, 255),
}
ULTRASOUND = {name: index for index, name in enumerate(ORGANS, start=1)}
COLOURS = {(0, 0, 0): 0, (10, 10, 10): 0, **{colour: ULTRASOUND[name] for name, colour in ORGANS.items()}}
LAST_TRAINING_CT, LAST_CT = 12, 15


def read_glas(source: Path) -> Found:
    """``train_1.bmp`` with ``train_1_anno.bmp``, ``testA_…``, ``testB_…``; patients from ``Grade.csv``."""
    root = find_root(source, "train_*_anno.bmp", "test*_anno.bmp")
    images = in_folder(root, r"((?:train|testA|testB)_\d+)\.bmp")
    labels = in_folder(root, r"((?:train|testA|testB)_\d+)_anno\.bmp")
    patients = _patients(root / "Grade.csv")
    notes = ["patients of the training part may be in the official test part too"]
    notes += [] if patients else ["without Grade.csv: the validation part is drawn by image"]
    cases = []
    for key, image, label in pairs(images, labels):
        part = "train" if key.startswith("train") else "test"
        made = label_picture(image, decode_instances, label)
        section = "training" if part == "train" else "test"
        cases.append(Case(key, image, made, f"{part} {patients.get(key, key)}", section))
    return Found(cases, root, GLANDS, notes)


def _patients(path: Path) -> dict[str, str]:
    """Image → patient by a table with the columns ``name`` and ``patient ID``; empty without it."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [[cell.strip() for cell in row] for row in csv.reader(stream)]
    header = [cell.lower() for cell in rows[0]] if rows else []
    if "name" not in header or "patient id" not in header:
        raise SamAdaptError("file", str(path), "has no columns name and patient ID", "get this file again")
    name, patient = header.index("name"), header.index("patient id")
    return {row[name]: f"patient {row[patient]}" for row in rows[1:] if len(row) > max(name, patient)}


def read_isic17(source: Path) -> Found:
    """``ISIC-2017_Training_Data/ISIC_0000000.jpg`` with ``…_GroundTruth/ISIC_0000000_segmentation.png``.

    The same of ``Validation``. The official test part is left out: in use is a 7 : 3 split of these 2150 images.
    """
    root = find_root(source, "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth")
    cases, notes = [], []
    for part in ("Training", "Validation"):
        folder = root / f"ISIC-2017_{part}_Data"
        if not folder.is_dir():
            notes.append(f"no ISIC-2017_{part}_Data: the split is drawn from the other part alone")
            continue
        images = in_folder(folder, r"(ISIC_\d{7})\.jpg", (".jpg",))
        labels = in_folder(root / f"ISIC-2017_{part}_Part1_GroundTruth", r"(ISIC_\d{7})_segmentation\.png", (".png",))
        cases += [Case(key, image, binary(label), key) for key, image, label in pairs(images, labels)]
    return Found(cases, root, LESION, notes)


def read_ultrasound(source: Path) -> Found:
    """``AUS/images/train/ct1-1.png`` with ``AUS/annotations/train``, and ``RUS/images/test`` with annotations.

    The simulated test part (``AUS/images/test``) and scans without annotation are left out.
    """
    root = find_root(source, "AUS/images/train", "AUS/annotations/train", "RUS/images/test", "RUS/annotations")
    simulated = in_folder(root / "AUS/images/train", r"(ct\d+-\d+)\.(?:png|jpg)")
    cases, left_out = [], 0
    for key, image, label in _annotated(simulated, root / "AUS/annotations/train"):
        number = int(key[2:].split("-")[0])
        if number > LAST_CT:
            left_out += 1
            continue
        section = "training" if number <= LAST_TRAINING_CT else "validation"
        cases.append(Case(key, image, _organs(image, label), f"ct{number}", section))
    real = in_folder(root / "RUS/images/test", r"(.+)\.(?:png|jpg)")
    for key, image, label in _annotated(real, root / "RUS/annotations"):
        cases.append(Case(f"real_{key}", image, _organs(image, label), f"real {key}", "test"))
    notes = [f"{left_out} simulated scans after ct{LAST_CT} are left out"] if left_out else []
    return Found(cases, root, ULTRASOUND, notes)


def _annotated(images: dict[str, Path], folder: Path) -> list[tuple[str, Path, Path]]:
    """The images that are annotated; every annotation must have its image."""
    labels = below(folder, r"(.+)\.(?:png|jpg)")
    return pairs({key: image for key, image in images.items() if key in labels}, labels)


def _organs(image: Path, label: Path) -> Made:
    return label_picture(image, partial(decode_colours, COLOURS), label)


SETS = (
    PublicSet(
        name="glas",
        title="GlaS",
        target="glands in histology",
        home="https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest/",
        licence="research only (unconfirmed)",
        citation="Sirinukunwattana et al., Gland segmentation in colon histology images: the GlaS challenge contest. "
        "Medical Image Analysis 2017",
        split="official, 85 / 80 (A and B); a fifth of the training patients validates, seeded",
        encoding="BMP of gland numbers",
        read=read_glas,
        modality="image2d",
        count=165,
    ),
    PublicSet(
        name="isic17",
        title="ISIC 2017",
        target="skin lesions in dermoscopy",
        home="https://challenge.isic-archive.com/data/#2017",
        licence="CC0 (unconfirmed)",
        citation="Codella et al., Skin lesion analysis toward melanoma detection: a challenge at ISBI 2017. "
        "arXiv 1710.05006",
        split="seeded 7 : 3 of the 2150 training and validation images (patients are not told); a fifth of the former "
        "validates",
        encoding="PNG 0/255",
        read=read_isic17,
        modality="image2d",
        count=2150,
        shares=(7, 3),
    ),
    PublicSet(
        name="ultrasound",
        title="US simulation & segmentation",
        target="eight abdominal structures in ultrasound",
        home="https://www.kaggle.com/datasets/ignaciorlando/ussimandsegm",
        licence=NOT_ESTABLISHED,
        citation="Vitale et al., Improving realism in patient-specific abdominal ultrasound simulation using "
        "CycleGANs. IJCARS 2020",
        split="of S-SAM: simulated ct1-ct12 train, ct13-ct15 validate, annotated real scans test",
        encoding="PNG of colours, RGB or RGBA",
        read=read_ultrasound,
        modality="image2d",
    ),
)
