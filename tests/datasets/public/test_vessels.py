"""CHASE_DB1, DRIVE, FIVES, HRF and STARE."""

from __future__ import annotations

import gzip
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_samadapt.datasets import SECTIONS
from monai_samadapt.errors import SamAdaptError

from .conftest import MASK, Miniature, label_of, loaded, subjects


def drive(mini: Miniature, numbers: dict[str, range]) -> None:
    for part, cases in numbers.items():
        for number in cases:
            key = f"DRIVE/{part}/"
            mini.picture(f"{key}images/{number:02d}_{part}.tif")
            mini.grey(f"{key}mask/{number:02d}_{part}_mask.gif")
            mini.grey(f"{key}1st_manual/{number:02d}_manual1.gif")
            if part == "test":
                mini.grey(f"{key}2nd_manual/{number:02d}_manual2.gif")


def test_drive_has_its_official_split_its_fields_and_two_observers(mini: Miniature) -> None:
    drive(mini, {"training": range(21, 26), "test": range(1, 4)})
    prepared = mini.prepare("drive")
    training, validation, test = subjects(prepared)
    assert sorted(training + validation) == ["21", "22", "23", "24", "25"] and len(validation) == 1
    assert test == ["01", "02", "03"]
    assert prepared.made == 0
    assert prepared.split.test[0] == {
        "image": str(mini.root / "DRIVE/test/images/01_test.tif"),
        "label": str(mini.root / "DRIVE/test/1st_manual/01_manual1.gif"),
        "mask": str(mini.root / "DRIVE/test/mask/01_test_mask.gif"),
        "second_observer": str(mini.root / "DRIVE/test/2nd_manual/01_manual2.gif"),
        "subject": "01",
    }
    assert prepared.settings["labels"] == ["Vessel"] and prepared.settings["modality"] == "fundus"
    item = loaded(prepared)
    assert np.array_equal(item["label"][0].numpy().T, MASK) and np.array_equal(item["mask"][0].numpy().T, MASK)
    assert prepared.notes == ["warning: 8 images were found, 40 were published: is the download complete?"]


def test_drive_without_the_manual_of_the_test_part(mini: Miniature) -> None:
    drive(mini, {"training": range(21, 24), "test": range(1, 3)})
    for folder in ("1st_manual", "2nd_manual"):
        for path in sorted((mini.root / "DRIVE/test" / folder).iterdir()):
            path.unlink()
        (mini.root / "DRIVE/test" / folder).rmdir()
    prepared = mini.prepare("drive")
    assert "label" not in prepared.split.test[0]
    assert prepared.notes[0] == "the test part has no 1st_manual: it can be segmented but not evaluated"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: (root / "training/1st_manual/22_manual1.gif").unlink(),
            r"image='.*22_training.tif': has no label",
        ),
        (lambda root: (root / "training/images/22_training.tif").unlink(), r"label='.*22_manual1.gif': has no image"),
        (lambda root: (root / "test/mask/02_test_mask.gif").unlink(), r"image='.*02_test.tif': has no mask"),
        (lambda root: (root / "test/images/x.tif").touch(), r"file='.*x.tif': is no file of this data set"),
    ],
)
def test_missing_and_extra_files_are_named_in_one_line(mini: Miniature, change: object, message: str) -> None:
    drive(mini, {"training": range(21, 24), "test": range(1, 3)})
    change(mini.root / "DRIVE")  # type: ignore[operator]
    with pytest.raises(SamAdaptError, match=message) as error:
        mini.prepare("drive")
    assert "\n" not in str(error.value)


def test_fives_in_colour_with_soft_edges_and_alpha(mini: Miniature) -> None:
    for part, names in (("train", ["1_A", "2_D", "3_G", "4_N", "5_A"]), ("test", ["1_A", "2_N"])):
        for name in names:
            mini.picture(f"FIVES/{part}/Original/{name}.png")
            mini.grey(f"FIVES/{part}/Ground truth/{name}.png")
    soft = np.dstack([np.where(MASK, 255, 0)] * 3 + [np.full(MASK.shape, 255)]).astype(np.uint8)
    mini.picture("FIVES/test/Ground truth/1_A.png", soft)
    soft[0, 0, :3], soft[0, 1, :3] = 127, 128
    mini.picture("FIVES/test/Ground truth/2_N.png", soft)
    prepared = mini.prepare("fives")
    training, validation, test = subjects(prepared)
    assert sorted(training + validation) == [f"train {name}" for name in ("1_A", "2_D", "3_G", "4_N", "5_A")]
    assert (len(validation), test) == (1, ["test 1_A", "test 2_N"])
    assert prepared.made == 1
    assert prepared.split.test[1]["label"] == "made_labels/test_2_N.png"
    expected = MASK.copy()
    assert np.array_equal(label_of(prepared, "test", 0)[0], expected)
    expected[0, 1] = True
    assert np.array_equal(label_of(prepared, "test", 1)[0], expected)
    assert np.unique(np.asarray(Image.open(mini.output / "made_labels/test_2_N.png"))).tolist() == [0, 1]


def test_hrf_is_drawn_by_its_published_sizes(mini: Miniature) -> None:
    names = [f"{number:02d}_{group}" for number in range(1, 16) for group in ("dr", "g", "h")]
    for name in names:
        mini.picture(f"all/images/{name}.{'JPG' if name.endswith('dr') else 'jpg'}")
        mini.grey(f"all/manual1/{name}.tif")
        mini.picture(f"all/mask/{name}_mask.tif", np.repeat(MASK[..., None], 3, 2).astype(np.uint8) * 255)
    prepared = mini.prepare("hrf")
    parts = subjects(prepared)
    assert [len(part) for part in parts] == [26, 6, 13] and sorted(chain(*parts)) == sorted(names)
    assert prepared.notes == []
    assert subjects(mini.prepare("hrf", seed=1)) != parts and subjects(mini.prepare("hrf")) == parts
    assert np.array_equal(loaded(prepared, "test")["mask"][0].numpy().T, MASK)


def ppm(array: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(array).save(stream, "PPM")
    return stream.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_stare_with_both_observers(mini: Miniature, zipped: bool) -> None:
    label = np.where(MASK, 255, 0).astype(np.uint8)
    keys = [f"im{number:04d}" for number in (1, 2, 3, 4, 5, 44, 77, 81, 82, 139)]
    for key in keys:
        files = {f"stare-images/{key}": np.full((*MASK.shape, 3), 90, np.uint8), f"labels-ah/{key}.ah": label}
        for name, array in {**files, f"labels-vk/{key}.vk": 255 - label}.items():
            path = mini.path(f"{name}.ppm{'.gz' if zipped else ''}")
            path.write_bytes(gzip.compress(ppm(array)) if zipped else ppm(array))
    prepared = mini.prepare("stare")
    assert [len(part) for part in subjects(prepared)] == [6, 2, 2]
    assert prepared.made == (30 if zipped else 0)
    item = loaded(prepared, "test")
    assert np.array_equal(item["label"][0].numpy().T, MASK)
    second = Path(prepared.split.test[0]["second_observer"])
    assert np.array_equal(np.asarray(Image.open(second)) > 0, ~MASK)
    (mini.root / f"labels-vk/{keys[3]}.vk.ppm{'.gz' if zipped else ''}").unlink()
    with pytest.raises(SamAdaptError, match=r"im0004.ppm.*has no label of the second observer \(vk\)"):
        mini.prepare("stare")


def test_chase_db1_of_the_samples(sample_data: Path, mini: Miniature) -> None:
    mini.root = sample_data / "chase_db1"
    prepared = mini.prepare("chase_db1")
    assert [len(prepared.split.section(name)) for name in SECTIONS] == [12, 2, 6]
    truth = np.asarray(Image.open(sample_data / "chase_db1/Image_08L_1stHO.png"))
    assert np.array_equal(label_of(prepared, "test")[0] > 0, truth)
