"""DRISHTI-GS, G1020, GRAPE, ORIGA, PAPILA and REFUGE2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from monai_samadapt.datasets import SECTIONS
from monai_samadapt.errors import SamAdaptError

from .conftest import Miniature, label_of, subjects

DISC = np.zeros((5, 8), np.uint8)
DISC[1:5, 1:7] = 1
DISC[2:4, 3:5] = 2
TARGET = np.stack([DISC > 0, DISC == 2])
"""Disc with the cup in it, then the cup."""


def square(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


DISC_POINTS, CUP_POINTS = square(1, 1, 6, 4), square(3, 2, 4, 3)


def test_drishti_takes_two_of_four_experts(mini: Miniature) -> None:
    votes = {0: 0, 1: 64, 2: 127, 3: 191, 4: 255}
    disc = np.zeros((5, 8), np.uint8)
    disc[1:5, 1:7] = votes[2]
    disc[0, :] = votes[1]
    cup = np.zeros((5, 8), np.uint8)
    cup[2:4, 3:5] = votes[3]
    cup[2, 2] = votes[1]
    for folder, truth, numbers in (("Training", "GT", range(1, 6)), ("Test", "Test_GT", range(6, 8))):
        for number in numbers:
            key = f"drishtiGS_{number:03d}"
            group = "GLAUCOMA" if number % 2 else "NORMAL"
            mini.picture(f"Drishti-GS1_files/{folder}/Images/{group}/{key}.png")
            for part, pixels in (("OD", disc), ("cup", cup)):
                mini.picture(f"Drishti-GS1_files/{folder}/{truth}/{key}/SoftMap/{key}_{part}segSoftmap.png", pixels)
    prepared = mini.prepare("drishti_gs")
    assert [len(part) for part in subjects(prepared)] == [4, 1, 2]
    assert subjects(prepared)[2] == ["drishtiGS_006", "drishtiGS_007"]
    assert prepared.settings["nested"] is True and prepared.settings["labels"] == {"Disc": [1, 2], "Cup": 2}
    assert np.array_equal(label_of(prepared, "test"), TARGET)
    assert np.array_equal(np.asarray(Image.open(mini.output / prepared.split.test[0]["label"])), DISC)
    (mini.root / "Drishti-GS1_files/Test/Test_GT/drishtiGS_007/SoftMap/drishtiGS_007_cupsegSoftmap.png").unlink()
    with pytest.raises(SamAdaptError, match=r"drishtiGS_007.png': has no soft map of the cup"):
        mini.prepare("drishti_gs")


def labelme(**shapes: list[list[float]]) -> str:
    return json.dumps({"shapes": [{"label": label, "points": points} for label, points in shapes.items()]})


def test_g1020_polygons_with_and_without_cup(mini: Miniature) -> None:
    for number in range(8):
        mini.picture(f"G1020/Images/image_{number}.jpg")
        mini.text(f"G1020/Images/image_{number}.json", labelme(disc=DISC_POINTS, cup=CUP_POINTS, discLoc=[[0, 0]]))
    mini.text("G1020/Images/image_7.json", labelme(disc=DISC_POINTS))
    prepared = mini.prepare("g1020")
    parts = subjects(prepared)
    assert [len(part) for part in parts] == [5, 1, 2]
    position = next(number for number, part in enumerate(parts) if "image_7" in part)
    index = parts[position].index("image_7")
    assert np.array_equal(label_of(prepared, SECTIONS[position], index), np.stack([DISC > 0, np.zeros((5, 8))]))
    other = parts[0].index(next(name for name in parts[0] if name != "image_7"))
    assert np.array_equal(label_of(prepared, "training", other), TARGET)
    mini.text("G1020/Images/image_3.json", labelme(cup=CUP_POINTS))
    with pytest.raises(SamAdaptError, match=r"label='.*image_3.json': has no polygon disc/od"):
        mini.prepare("g1020")
    mini.text("G1020/Images/image_3.json", labelme(disc=[[1, 1], [2, 2]]))
    with pytest.raises(SamAdaptError, match=r"label='.*image_3.json': has no polygon disc/od"):
        mini.prepare("g1020")
    mini.text("G1020/Images/image_3.json", labelme(disc=[[1, 1], [2]]))
    with pytest.raises(SamAdaptError, match=r"label='.*image_3.json': holds an outline that is no list of x, y"):
        mini.prepare("g1020")
    mini.text("G1020/Images/image_3.json", "{")
    with pytest.raises(SamAdaptError, match=r"file='.*image_3.json': is no readable JSON"):
        mini.prepare("g1020")


def test_grape_keeps_a_patient_s_eyes_and_visits_together(mini: Miniature) -> None:
    names = [f"{patient}_{eye}_{visit}" for patient in range(1, 9) for eye in ("OD", "OS") for visit in (1, 2)]
    for name in names:
        mini.picture(f"GRAPE/ROI images/{name}.jpg")
        mini.text(f"GRAPE/json/{name}.json", labelme(OD=DISC_POINTS, OC=CUP_POINTS))
    prepared = mini.prepare("grape")
    parts = subjects(prepared)
    assert [len(part) for part in parts] == [20, 4, 8] and [len(set(part)) for part in parts] == [5, 1, 2]
    assert np.array_equal(label_of(prepared), TARGET)


def test_origa_arrays_wider_than_the_image(mini: Miniature) -> None:
    mask = np.zeros((6, 12), np.uint8)
    mask[:5, 2:10] = DISC
    mask[:, :2], mask[5] = 1, 2
    for number in range(1, 9):
        mini.picture(f"ORIGA/Images/{number:03d}.jpg")
        savemat(mini.path(f"ORIGA/Semi-automatic-annotations/{number:03d}.mat"), {"mask": mask})
    mini.picture("ORIGA/Semi-automatic-annotations/013.tif")
    prepared = mini.prepare("origa")
    assert [len(part) for part in subjects(prepared)] == [5, 1, 2]
    assert np.array_equal(label_of(prepared), TARGET)
    savemat(mini.root / "ORIGA/Semi-automatic-annotations/003.mat", {"mask": mask[:3]})
    with pytest.raises(SamAdaptError, match=r"003.mat': has shape \(3, 12\) for an image \(5, 8\)"):
        mini.prepare("origa")
    savemat(mini.root / "ORIGA/Semi-automatic-annotations/003.mat", {"other": mask})
    with pytest.raises(SamAdaptError, match=r"003.mat': has no readable mask \('mask'\)"):
        mini.prepare("origa")


def points(corners: list[list[float]]) -> str:
    return "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in corners)


def test_papila_contours_of_two_experts_by_patient(mini: Miniature) -> None:
    names = [f"RET{patient:03d}{eye}" for patient in range(2, 10) for eye in ("OD", "OS")]
    for name in names:
        mini.picture(f"PapilaDB/FundusImages/{name}.jpg")
        for expert, disc in ((1, DISC_POINTS), (2, square(0, 0, 7, 4))):
            mini.text(f"PapilaDB/ExpertsSegmentations/Contours/{name}_disc_exp{expert}.txt", points(disc))
            mini.text(f"PapilaDB/ExpertsSegmentations/Contours/{name}_cup_exp{expert}.txt", points(CUP_POINTS))
    prepared = mini.prepare("papila")
    parts = subjects(prepared)
    assert [len(part) for part in parts] == [10, 2, 4] and [len(set(part)) for part in parts] == [5, 1, 2]
    assert np.array_equal(label_of(prepared), TARGET)
    second = np.asarray(Image.open(prepared.split.training[0]["second_observer"]))
    assert np.array_equal(second > 0, np.ones((5, 8), bool)) and np.array_equal(second == 2, TARGET[1])
    mini.text("PapilaDB/ExpertsSegmentations/Contours/RET005OS_cup_exp2.txt", "no numbers\n")
    with pytest.raises(SamAdaptError, match=r"RET005OS_cup_exp2.txt': holds no points"):
        mini.prepare("papila")
    mini.text("PapilaDB/ExpertsSegmentations/Contours/RET005OS_cup_exp2.txt", points(CUP_POINTS))
    mini.text("PapilaDB/ExpertsSegmentations/Contours/RET005OS_disc_exp2.txt", points(square(20, 20, 30, 30)))
    with pytest.raises(SamAdaptError, match=r"RET005OS_disc_exp2.txt': covers no pixel of its image"):
        mini.prepare("papila")
    (mini.root / "PapilaDB/ExpertsSegmentations/Contours/RET005OS_cup_exp2.txt").unlink()
    with pytest.raises(SamAdaptError, match=r"RET005OS.jpg': has no contour cup_exp2"):
        mini.prepare("papila")


def test_refuge2_has_the_cup_dark(mini: Miniature) -> None:
    grey = np.select([DISC == 2, DISC == 1], [0, 128], 255).astype(np.uint8)
    for part, letters, suffix in (("train", "gn", "bmp"), ("val", "V", "bmp"), ("test", "T", "png")):
        for key in (f"{letter}{number:04d}" for letter in letters for number in (1, 2)):
            mini.picture(f"REFUGE2/{part}/images/{key}.jpg")
            mini.picture(f"REFUGE2/{part}/mask/{key}.{suffix}", grey)
    prepared = mini.prepare("refuge2")
    assert subjects(prepared) == [
        ["train g0001", "train g0002", "train n0001", "train n0002"],
        ["val V0001", "val V0002"],
        ["test T0001", "test T0002"],
    ]
    for section in SECTIONS:
        assert np.array_equal(label_of(prepared, section), TARGET)
    mini.picture("REFUGE2/val/mask/V0002.bmp", grey[:4])
    with pytest.raises(SamAdaptError, match=r"V0002.bmp': gives 8 by 4 pixels, its image .* has 8 by 5"):
        mini.prepare("refuge2")


def test_drishti_label_maps_of_the_samples(sample_data: Path, mini: Miniature) -> None:
    mini.root = sample_data / "drishti_gs_1024"
    prepared = mini.prepare("drishti_gs")
    assert [len(prepared.split.section(name)) for name in SECTIONS] == [16, 4, 10] and prepared.made == 0
    truth = np.asarray(Image.open(prepared.split.test[0]["label"]))
    assert np.array_equal(label_of(prepared, "test"), np.stack([truth > 0, truth == 2]))
