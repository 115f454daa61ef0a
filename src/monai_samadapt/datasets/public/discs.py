"""Optic disc and cup: DRISHTI-GS, G1020, GRAPE, ORIGA, PAPILA, REFUGE2."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from monai_samadapt.datasets.drishti import read_drishti as read_drishti_maps
from monai_samadapt.datasets.public.describe import Case, Found, LabelValues
from monai_samadapt.datasets.public.existing import from_split
from monai_samadapt.datasets.public.find import below, find_root, first_folder, in_folder, pairs
from monai_samadapt.datasets.public.outlines import decode_contours, decode_labelme, decode_mat
from monai_samadapt.datasets.public.pictures import decode_dark_cup, decode_soft_disc_cup, label_picture

LABELS: LabelValues = {"Disc": [1, 2], "Cup": 2}
NAMES = {"disc": 1, "od": 1, "cup": 2, "oc": 2}
JPG = (".jpg", ".jpeg")


def read_drishti(source: Path) -> Found:
    """``Training`` and ``Test`` with ``Images`` and soft maps, or ``images`` and ``labels`` with label maps."""
    if (source / "images").is_dir() and (source / "labels").is_dir():
        found = from_split(read_drishti_maps(source), LABELS)
        found.notes.append("label maps of a part of the set: in the order of the names, the last third is the test")
        return found
    root = find_root(source, "Training/Images", "Test/Images")
    cases = []
    for folder, section in (("Training", "training"), ("Test", "test")):
        images = below(root / folder / "Images", r"(drishtiGS_\d+)\.png")
        truth = first_folder(root / folder, "GT", "Test_GT")
        discs = below(truth, r"(drishtiGS_\d+)_ODsegSoftmap\.png")
        cups = below(truth, r"(drishtiGS_\d+)_cupsegSoftmap\.png")
        inner = {key: cup for key, _, cup in pairs(images, cups, "soft map of the cup")}
        for key, image, disc in pairs(images, discs, "soft map of the disc"):
            label = label_picture(image, decode_soft_disc_cup, disc, inner[key])
            cases.append(Case(key, image, label, key, section))
    return Found(cases, root, LABELS)


def read_g1020(source: Path) -> Found:
    """``Images/image_0.jpg`` with ``Images/image_0.json``."""
    root = find_root(source, "Images/image_*.json")
    images = in_folder(root / "Images", r"(image_\d+)\.jpg", JPG)
    outlines = in_folder(root / "Images", r"(image_\d+)\.json")
    cases = [
        Case(key, image, label_picture(image, partial(decode_labelme, NAMES, image), outline), key)
        for key, image, outline in pairs(images, outlines, "outline")
    ]
    return Found(cases, root, LABELS)


def read_grape(source: Path) -> Found:
    """``ROI images/1_OD_1.jpg`` (patient, eye, visit) with ``json/1_OD_1.json``."""
    root = find_root(source, "ROI images", "json")
    images = in_folder(root / "ROI images", r"(\d+_O[DS]_\d+)\.jpg", JPG)
    outlines = in_folder(root / "json", r"(\d+_O[DS]_\d+)\.json", (".json",))
    cases = [
        Case(key, image, label_picture(image, partial(decode_labelme, NAMES, image), outline), key.split("_")[0])
        for key, image, outline in pairs(images, outlines, "outline")
    ]
    return Found(cases, root, LABELS)


def read_origa(source: Path) -> Found:
    """``Images/001.jpg`` with ``Semi-automatic-annotations/001.mat``."""
    root = find_root(source, "Images", "Semi-automatic-annotations")
    images = in_folder(root / "Images", r"(\d{3})\.jpg", JPG)
    masks = in_folder(root / "Semi-automatic-annotations", r"(\d{3})\.mat", (".mat",))
    cases = [
        Case(key, image, label_picture(image, partial(decode_mat, image), mask), key)
        for key, image, mask in pairs(images, masks)
    ]
    return Found(cases, root, LABELS)


def read_papila(source: Path) -> Found:
    """``FundusImages/RET002OD.jpg`` with ``ExpertsSegmentations/Contours/RET002OD_disc_exp1.txt`` and others."""
    contours = "ExpertsSegmentations/Contours"
    root = find_root(source, "FundusImages", contours)
    images = in_folder(root / "FundusImages", r"(RET\d+O[DS])\.jpg", JPG)
    files = {}
    for part in ("disc_exp1", "cup_exp1", "disc_exp2", "cup_exp2"):
        found = in_folder(root / contours, rf"(RET\d+O[DS])_{part}\.txt")
        files[part] = {key: path for key, _, path in pairs(images, found, f"contour {part}")}
    cases = []
    for key, image in images.items():
        first, second = (
            label_picture(
                image, partial(decode_contours, image), files[f"disc_exp{expert}"][key], files[f"cup_exp{expert}"][key]
            )
            for expert in (1, 2)
        )
        cases.append(Case(key, image, first, key[3:-2], second_observer=second))
    return Found(cases, root, LABELS)


def read_refuge2(source: Path) -> Found:
    """``train``, ``val`` and ``test`` with ``images/g0001.jpg`` and ``mask/g0001.bmp`` or ``.png``."""
    root = find_root(source, "train/images", "val/images", "test/images")
    cases = []
    for folder, section in (("train", "training"), ("val", "validation"), ("test", "test")):
        images = in_folder(root / folder / "images", r"(\w+)\.jpg", JPG)
        truth = first_folder(root / folder, "mask", "masks", "gts")
        labels = in_folder(truth, r"(\w+)\.(?:bmp|png)", (".bmp", ".png"))
        for key, image, label in pairs(images, labels):
            made = label_picture(image, decode_dark_cup, label)
            cases.append(Case(f"{folder}_{key}", image, made, f"{folder} {key}", section))
    return Found(cases, root, LABELS)
