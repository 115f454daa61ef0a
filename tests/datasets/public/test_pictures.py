"""CholecSeg8k, polyps, ChestX-Det, GlaS, ISIC 2017 and ultrasound."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from monai_samadapt.datasets.public.chest import FINDINGS
from monai_samadapt.datasets.public.endoscopy import CHOLEC, STRUCTURES
from monai_samadapt.datasets.public.others import ORGANS
from monai_samadapt.errors import SamAdaptError

from .conftest import MASK, Miniature, label_of, loaded, subjects

ROW = [0, 50, 255, 31, 32, 21, 12, 22, 11, 13, 25, 24, 33, 5, 23, 50]
"""Every value of a watershed mask, in the order of S-SAM's labels."""


def cholec(mini: Miniature, video: str, frame: int, **files: np.ndarray) -> None:
    clip = f"{video}/{video}_{frame:05d}/frame_{frame}_endo"
    mini.picture(f"{clip}.png", np.full((4, 16, 3), 90, np.uint8))
    mini.picture(f"{clip}_mask.png", np.zeros((4, 16, 3), np.uint8))
    for kind, pixels in files.items():
        mini.picture(f"{clip}_{kind}_mask.png", pixels)


def test_cholecseg8k_watershed_ids_and_colours_by_video(mini: Miniature) -> None:
    ids = np.repeat(np.tile(np.array(ROW, np.uint8), (4, 1))[..., None], 3, 2)
    rgba = np.dstack([ids, np.full((4, 16), 255, np.uint8)])
    colours = [(127,) * 3, (127,) * 3, (255,) * 3, *(colour for _, colour in STRUCTURES.values()), (127,) * 3]
    coloured = np.tile(np.array(colours, np.uint8), (4, 1, 1))
    coloured[2, 5] = 141, 57, 57  # a smoothed edge
    for number, video in enumerate(("video01", "video12", "video17", "video20")):
        cholec(mini, video, 80 + number, watershed=rgba if number == 1 else ids)
    cholec(mini, "video48", 80, color=coloured)
    prepared = mini.prepare("cholecseg8k")
    assert subjects(prepared) == [["video01", "video20"], ["video12"], ["video17", "video48"]]
    assert prepared.settings["labels"] == CHOLEC and CHOLEC["Grasper"] == 1 and CHOLEC["Connective Tissue"] == 12
    expected = np.tile(np.array([0, 0, 0, *range(1, 13), 0]), (4, 1))
    for section, count in (("training", 2), ("validation", 1), ("test", 2)):
        for index in range(count):
            found = label_of(prepared, section, index)[0]
            assert np.array_equal(found, expected) or (section == "test" and (found != expected).sum() == 1)
    assert label_of(prepared, "test", 1)[0][2, 5] in (2, 3, 4, 12)  # that of a neighbour
    cholec(mini, "video24", 80, watershed=ids + np.uint8(100))
    with pytest.raises(SamAdaptError, match=r"watershed_mask.png': has 100 % of pixels with values of no label"):
        mini.prepare("cholecseg8k")
    cholec(mini, "video25", 80)
    with pytest.raises(SamAdaptError, match=r"frame_80_endo.png': has no label; add frame_80_endo_watershed_mask.png"):
        mini.prepare("cholecseg8k")


def test_polyps_of_five_tests(mini: Miniature) -> None:
    for name in ("1", "2", "3", "4", "cju0"):
        mini.picture(f"polyps/TrainDataset/image/{name}.png")
        mini.grey(f"polyps/TrainDataset/mask/{name}.png")
    soft = np.where(MASK, 250, 3).astype(np.uint8)
    for tested in ("CVC-300", "Kvasir"):
        for name in ("1", "150"):
            mini.picture(f"polyps/TestDataset/{tested}/images/{name}.png")
            mini.picture(f"polyps/TestDataset/{tested}/masks/{name}.png", soft)
    prepared = mini.prepare("polyps")
    assert [len(part) for part in subjects(prepared)] == [4, 1, 4]
    assert [item["set"] for item in prepared.split.test] == ["CVC-300", "CVC-300", "Kvasir", "Kvasir"]
    assert prepared.made == 4 and prepared.settings["labels"] == ["Polyp"]
    for section in ("training", "test"):
        assert np.array_equal(label_of(prepared, section)[0], MASK)
    (mini.root / "polyps/TestDataset/Kvasir/masks/150.png").unlink()
    with pytest.raises(SamAdaptError, match=r"image='.*Kvasir/images/150.png': has no label"):
        mini.prepare("polyps")


def test_folders_that_systems_add_are_no_clips_and_no_tests(mini: Miniature) -> None:
    ids = np.repeat(np.tile(np.array(ROW, np.uint8), (4, 1))[..., None], 3, 2)
    for video in ("video01", "video12", "video17"):
        cholec(mini, video, 80, watershed=ids)
        for added in ("__MACOSX", ".cache"):
            mini.text(f"{added}/{video}/{video}_00080/._frame_80_endo.png", "no picture")
    mini.text("video01/.video01_00081/frame_81_endo.png", "no picture")
    assert subjects(mini.prepare("cholecseg8k")) == [["video01"], ["video12"], ["video17"]]
    mini.root /= "polyps"
    for name in ("TrainDataset/{}/1", "TrainDataset/{}/2", "TestDataset/Kvasir/{}/3"):
        mini.picture(f"polyps/{name.format('images')}.png")
        mini.grey(f"polyps/{name.format('masks')}.png")
    for added in ("__MACOSX", ".ipynb_checkpoints"):
        mini.text(f"polyps/TestDataset/{added}/images/._3.png", "no picture")
        mini.text(f"{added}/TrainDataset/images/._1.png", "no picture")
        mini.text(f"{added}/TestDataset/._Kvasir", "no picture")
    prepared = mini.prepare("polyps")
    assert [len(part) for part in subjects(prepared)] == [1, 1, 1]
    assert [item["set"] for item in prepared.split.test] == ["Kvasir"]


def box(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_chestx_det_findings_overlap(mini: Miniature) -> None:
    cases = {
        "train": {
            "36199": [("Effusion", box(0, 0, 3, 2)), ("Consolidation", box(2, 1, 5, 3)), ("Effusion", box(6, 0, 7, 1))],
            "69565": [],
            "69566": [("Nodule", box(1, 1, 2, 2))],
        },
        "test": {"70001": [("Nodule", box(0, 0, 1, 1)), ("Mass", box(0, 0, 1, 1))]},
    }
    for part, images in cases.items():
        entries = [
            {"file_name": f"{key}.png", "syms": [s for s, _ in found], "boxes": [], "polygons": [p for _, p in found]}
            for key, found in images.items()
        ]
        mini.text(f"ChestX_Det_{part}.json", json.dumps(entries))
        for key in images:
            mini.picture(f"{part}_data/{part}/{key}.png", np.full((5, 8), 100, np.uint8))
    prepared = mini.prepare("chestx_det")
    assert subjects(prepared) == [["36199", "69565"], ["69566"], ["70001"]]
    labels = prepared.split.labels
    # Effusion 1, Nodule 2, Consolidation 16, both of the first 17, Nodule with Mass 66: sorted, they are 1 … 5
    assert labels == {"Effusion": [1, 4], "Nodule": [2, 5], "Consolidation": [3, 4], "Mass": [5]}
    assert prepared.notes[0].startswith("no image has Cardiomegaly, Fibrosis, Emphysema, Fracture")
    effusion, nodule, consolidation, mass = label_of(prepared)
    expected = np.zeros((2, 5, 8), bool)
    expected[0, 0:3, 0:4] = expected[0, 0:2, 6:8] = expected[1, 1:4, 2:6] = True
    assert np.array_equal(effusion, expected[0]) and np.array_equal(consolidation, expected[1])
    assert not nodule.any() and not mass.any()
    assert label_of(prepared, "test")[:, :2, :2].sum(axis=(1, 2)).tolist() == [0, 4, 0, 4]
    assert not label_of(prepared, "training", 1).any()
    assert len(FINDINGS) == 13
    (mini.root / "train_data/train/69566.png").unlink()
    with pytest.raises(SamAdaptError, match=r"annotation='.*ChestX_Det_train.json': has no image of its name"):
        mini.prepare("chestx_det")


def test_glas_validates_by_patient(mini: Miniature) -> None:
    numbers = np.where(MASK, 2, 0).astype(np.uint8)
    numbers[4, 0] = 1
    names = [f"train_{number}" for number in range(1, 11)] + ["testA_1", "testB_2"]
    for name in names:
        mini.picture(f"Warwick QU Dataset (Released 2016_07_08)/{name}.bmp")
        mini.picture(f"Warwick QU Dataset (Released 2016_07_08)/{name}_anno.bmp", numbers)
    rows = "".join(f"{name}, {index // 2}, benign, adenomatous\n" for index, name in enumerate(names))
    header = "name, patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)\n"
    mini.text("Warwick QU Dataset (Released 2016_07_08)/Grade.csv", header + rows)
    prepared = mini.prepare("glas")
    training, validation, test = subjects(prepared)
    assert (len(training), len(validation)) == (8, 2) and len(set(validation)) == 1
    assert test == ["test patient 5", "test patient 5"]
    expected = MASK.copy()
    expected[4, 0] = True
    assert np.array_equal(label_of(prepared)[0], expected)
    assert prepared.settings["labels"] == ["Glands"]


def test_isic17_without_superpixels(mini: Miniature) -> None:
    for part, numbers in (("Training", range(8)), ("Validation", range(8, 10))):
        for number in numbers:
            key = f"ISIC_{number:07d}"
            mini.picture(f"ISIC-2017_{part}_Data/{key}.jpg")
            mini.picture(f"ISIC-2017_{part}_Data/{key}_superpixels.png")
            mini.grey(f"ISIC-2017_{part}_Part1_GroundTruth/{key}_segmentation.png")
        mini.text(f"ISIC-2017_{part}_Data/ISIC-2017_{part}_Data_metadata.csv", "image_id,age\n")
    prepared = mini.prepare("isic17")
    assert [len(part) for part in subjects(prepared)] == [6, 1, 3] and prepared.made == 0
    assert np.array_equal(label_of(prepared, "test")[0], MASK)
    shutil.move(mini.root / "ISIC-2017_Validation_Data", mini.root / "val" / "ISIC-2017_Validation_Data")
    assert subjects(mini.prepare("isic17")) == subjects(prepared)
    (mini.root / "val/ISIC-2017_Validation_Data/ISIC_0000009.jpg").unlink()
    with pytest.raises(SamAdaptError, match=r"label='.*ISIC_0000009_segmentation.png': has no image"):
        mini.prepare("isic17")


def test_isic17_of_the_training_part_alone(mini: Miniature) -> None:
    for number in range(10):
        mini.picture(f"ISIC-2017_Training_Data/ISIC_{number:07d}.jpg")
        mini.grey(f"ISIC-2017_Training_Part1_GroundTruth/ISIC_{number:07d}_segmentation.png")
    notes = mini.prepare("isic17").notes
    assert notes[0] == "no ISIC-2017_Validation_Data: the split is drawn from the training part alone"
    assert notes[1].startswith("warning: 10 images were found, 2150 were published")


def test_ultrasound_colours_of_simulated_and_real_scans(mini: Miniature) -> None:
    row = np.array([(0, 0, 0), (10, 10, 10), *ORGANS.values()], np.uint8)
    colours = np.tile(row, (5, 1, 1))
    rgba = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    for key in ("ct1-1", "ct12-3", "ct13-1", "ct15-9", "ct16-2", "ct2-7"):
        mini.picture(f"abdominal_US/AUS/images/train/{key}.png", np.full((5, 10), 80, np.uint8))
        if key != "ct2-7":
            mini.picture(f"abdominal_US/AUS/annotations/train/{key}.png", colours)
    for key in ("scan 1", "scan 2"):
        mini.picture(f"abdominal_US/RUS/images/test/{key}.png", np.full((5, 10, 3), 80, np.uint8))
    mini.picture("abdominal_US/RUS/annotations/test/scan 1.png", rgba)
    prepared = mini.prepare("ultrasound")
    assert subjects(prepared) == [["ct1", "ct12"], ["ct13", "ct15"], ["real scan 1"]]
    assert prepared.notes == [
        "1 simulated scans after ct15 are left out",
        "2 scans have no annotation and are left out",
    ]
    for section in ("training", "validation", "test"):
        assert label_of(prepared, section)[0].tolist() == [[0, 0, 1, 2, 3, 4, 5, 6, 7, 8]] * 5
    assert loaded(prepared, "test")["image"].shape == (3, 32, 32)
    mini.picture("abdominal_US/RUS/annotations/test/scan 9.png", rgba)
    with pytest.raises(SamAdaptError, match=r"label='.*scan 9.png': has no image of its name"):
        mini.prepare("ultrasound")
