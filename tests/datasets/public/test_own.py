"""Own data: two folders or two patterns; real samples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_samadapt.datasets import SECTIONS
from monai_samadapt.datasets.public import Own, Prepared, prepare
from monai_samadapt.datasets.public.decode import decode_soft_disc_cup
from monai_samadapt.datasets.public.pictures import binary
from monai_samadapt.errors import SamAdaptError

from .conftest import MASK, Miniature, label_of, subjects


def prepared_from(mini: Miniature, **own: object) -> Prepared:
    return prepare(Own(**own).describe(mini.root), mini.root, mini.output)  # type: ignore[arg-type]


def pairs(mini: Miniature, high: int = 1, suffix: str = "png", count: int = 10) -> None:
    for number in range(count):
        mini.picture(f"images/p{number // 2}_{number}.png")
        mini.grey(f"masks/p{number // 2}_{number}.{suffix}", high=high, **({"quality": 60} if suffix == "jpg" else {}))


def test_folders_with_one_label_need_no_more(mini: Miniature) -> None:
    pairs(mini)
    mini.picture("images/lonely.png")
    prepared = prepared_from(mini)
    assert [len(part) for part in subjects(prepared)] == [7, 1, 2] and prepared.made == 0
    assert prepared.settings["labels"] == ["Foreground"] and prepared.settings["modality"] == "image2d"
    assert prepared.notes == [f"1 images have no label and are left out, the first {mini.root / 'images/lonely.png'}"]
    assert np.array_equal(label_of(prepared)[0], MASK)


def test_lossy_labels_are_cut_at_half(mini: Miniature) -> None:
    pairs(mini, high=255, suffix="jpg")
    prepared = prepared_from(mini, labels=["Gland"])
    assert prepared.made == 10 and prepared.settings["labels"] == ["Gland"]
    assert (label_of(prepared)[0] > 0)[MASK].mean() > 0.7


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_soft_labels_of_16_bits_are_cut_at_half_of_their_range(mini: Miniature, suffix: str) -> None:
    soft = np.where(MASK, 65535, 0).astype(np.uint16)
    soft[0, :4] = 129, 300, 20000, 32767
    soft[4, 0] = 32768
    expected = MASK.copy()
    expected[4, 0] = True
    for number in range(5):
        mini.picture(f"images/{number}.png")
        mini.picture(f"masks/{number}.{suffix}", soft)
    prepared = prepared_from(mini, labels=["Gland"])
    assert prepared.made == 5 and prepared.notes == [
        "labels with more values than 0 and one other count from half of their range on"
    ]
    assert np.array_equal(label_of(prepared)[0], expected)
    decoded = decode_soft_disc_cup(*[mini.root / f"masks/0.{suffix}"] * 2)  # from 96 of 255 on: 24576 of 65535
    assert decoded[0].tolist() == [0, 0, 0, 2, 0, 0, 0, 0] and decoded[4, 0] == 2


def test_numbers_in_16_bits_below_half_are_not_cut_away(mini: Miniature) -> None:
    pairs(mini)
    numbers = np.where(MASK, np.arange(300, 308), 0).astype(np.uint16)
    mini.picture("masks/p0_0.png", numbers)
    with pytest.raises(
        SamAdaptError, match=r"p0_0.png': has values \[302, 303, 304, 305\] that --labels does not name"
    ):
        prepared_from(mini, labels=["Gland"])


def test_labels_by_name_and_subjects_by_pattern(mini: Miniature) -> None:
    pairs(mini, high=3)
    palette = Image.fromarray(np.where(MASK, 2, 0).astype(np.uint8))
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 200, 0])
    palette.save(mini.path("masks/p0_0.png"))
    assert Image.open(mini.root / "masks/p0_0.png").mode == "P"
    prepared = prepared_from(mini, labels=["Liver=1,2", "Tumor=3"], subject=r"(p\d)_")
    assert [len(part) for part in subjects(prepared)] == [6, 2, 2]
    assert prepared.settings["labels"] == {"Liver": [1, 2], "Tumor": 3}
    items = [(name, index) for name in SECTIONS for index in range(len(prepared.split.section(name)))]
    found = {
        prepared.split.section(name)[index]["image"][-8:-4]: label_of(prepared, name, index) for name, index in items
    }
    assert np.unique(found["p0_0"]).tolist() == [0, 1] and np.unique(found["p0_1"]).tolist() == [0, 2]
    unnamed = prepared_from(mini)
    assert unnamed.settings["labels"] == {"Label 2": 2, "Label 3": 3}
    (mini.root / "classes.json").write_text(json.dumps({"a": 2, "b": 3}))
    assert prepared_from(mini, labels=["classes.json"]).settings["labels"] == {"a": 2, "b": 3}
    for names in ({"background": 0, "a": 2, "b": 3}, {"0": "background", "2": "a", "3": "b"}):
        (mini.root / "classes.json").write_text(json.dumps(names))
        assert prepared_from(mini, labels=["classes.json"]).settings["labels"] == {"a": 2, "b": 3}


def test_hidden_files_of_other_systems_are_no_images(mini: Miniature) -> None:
    pairs(mini)
    for folder in ("images", "masks"):
        mini.text(f"{folder}/._p0_0.png", "no picture")
        mini.text(f"__MACOSX/{folder}/p0_0.png", "no picture")
    prepared = prepared_from(mini, images="images/*.png", masks="masks/*.png")
    assert sum(len(part) for part in subjects(prepared)) == 10 and not prepared.notes


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"labels": ["Liver=1", "Tumor=2"]}, r"p0_0.png': has values \[3\] that --labels does not name"),
        ({"labels": ["Lesion"]}, r"p0_0.png': has values \[3\] that --labels does not name"),
        ({"labels": ["Liver=1", "Tumor"]}, "labels='Tumor': is no label; give NAME=VALUE"),
        ({"masks": "nowhere"}, "holds no folder nowhere"),
        ({"subject": "patient"}, "subject='patient': has no group in images/p0_0.png"),
        ({"images": "*/x.png"}, "masks='': has not one"),
        ({"images": "/x/*.png", "masks": "*.png"}, r"images='/x/\*.png': is no pattern below the source"),
        ({"images": "*/x.png", "masks": "*/y.png"}, "matches no image with a label"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(mini: Miniature, own: dict[str, object], message: str) -> None:
    pairs(mini, high=3)
    with pytest.raises(SamAdaptError, match=message) as error:
        prepared_from(mini, **own)
    assert "\n" not in str(error.value)


def test_label_without_image_and_colours_are_refused(mini: Miniature) -> None:
    pairs(mini)
    mini.grey("masks/extra.png")
    with pytest.raises(SamAdaptError, match=r"label='.*extra.png': no image of that name"):
        prepared_from(mini)
    mini.picture("images/extra.png")
    mini.picture("masks/extra.png", np.dstack([MASK * 255, MASK * 9, MASK * 0]).astype(np.uint8))
    with pytest.raises(SamAdaptError, match=r"extra.png': has 3 channels, as colours"):
        prepared_from(mini)


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (-np.inf, "-inf"), (0.5, "0.5")])
def test_label_values_that_are_no_whole_numbers_are_told(mini: Miniature, value: float, shown: str) -> None:
    """Float maps of whole numbers are read."""
    volume = np.zeros((6, 5, 4), np.float32)
    volume[2:4, 1:3, 1:3] = 3.0
    for number in range(4):
        nib.save(nib.Nifti1Image(volume - 1000, np.eye(4)), mini.path(f"images/{number}.nii.gz"))
        nib.save(nib.Nifti1Image(volume, np.eye(4)), mini.path(f"labels/{number}.nii.gz"))
    assert prepared_from(mini, labels=["Liver=3"]).settings["labels"] == {"Liver": 3}
    volume[2, 2, 2] = value
    nib.save(nib.Nifti1Image(volume, np.eye(4)), mini.path("labels/2.nii.gz"))
    picture = mini.picture("x.tif", np.where(MASK, value, 2).astype(np.float32))
    line = re.escape(f"has the value {shown}, no whole number; save an integer map")
    with pytest.raises(SamAdaptError, match=f"^label='.*labels/2.nii.gz': {line}$"):
        prepared_from(mini, labels=["Liver=3"])
    with pytest.raises(SamAdaptError, match=f"^label='.*x.tif': {line}$"):
        binary(picture)


REAL = [
    ("glas", {"labels": ["Gland"]}, [8, 1, 3]),
    ("kvasir_polyp", {"labels": ["Polyp"]}, [8, 1, 3]),
    ("cholec_inst", {"labels": ["classes.json"]}, [3, 1, 1]),
    ("cxr_shenzhen", {"labels": ["Lungs"]}, [42, 6, 12]),
    ("bus_bra", {"labels": ["Benign=1", "Malignant=2"], "subject": r"_(\d+)-"}, [12, 2, 4]),
    ("sts_ct", {"images": "*/CT_image.nii.gz", "masks": "*/CT_mask.nii.gz", "labels": ["Tumour"]}, [2, 1, 1]),
]


@pytest.mark.parametrize(("name", "own", "counts"), REAL)
def test_real_samples(sample_data: Path, mini: Miniature, name: str, own: dict[str, object], counts: list[int]) -> None:
    mini.root = sample_data / name
    prepared = prepared_from(mini, **own)
    assert [len(part) for part in subjects(prepared)] == counts
    label = label_of(prepared)
    truth = Path(prepared.split.training[0]["label"])
    if truth.suffix == ".png" and prepared.made == 0:
        raw = np.asarray(Image.open(mini.root / truth))
        assert np.array_equal(label[0] > 0, raw > 0)
    assert re.fullmatch("ct|mri|image2d", prepared.settings["modality"])
