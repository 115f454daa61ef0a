from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_samadapt.datasets import load_datalist, write_split
from monai_samadapt.datasets.chase_db1 import read_chase_db1
from monai_samadapt.datasets.split import SECTIONS, check_subjects
from monai_samadapt.errors import SamAdaptError


def layout(folder: Path, subjects: range) -> Path:
    """CHASE_DB1 with pictures of 6 × 5 pixels."""
    folder.mkdir()
    for stem in (f"Image_{subject:02d}{eye}" for subject in subjects for eye in "LR"):
        Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(folder / f"{stem}.jpg")
        for observer in ("1st", "2nd"):
            Image.fromarray(np.eye(5, 6) > 0).save(folder / f"{stem}_{observer}HO.png")
    return folder


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        (range(1, 15), [range(1, 10), range(10, 11), range(11, 15)]),
        (range(1, 11), [range(1, 7), range(7, 8), range(8, 11)]),
    ],
)
def test_subjects_of_each_part(tmp_path: Path, subjects: range, expected: list[range]) -> None:
    split = read_chase_db1(layout(tmp_path / "chase", subjects))
    check_subjects(split)
    for section, numbers in zip(SECTIONS, expected, strict=True):
        names = [Path(item["image"]).name for item in split.section(section)]
        assert names == [f"Image_{number:02d}{eye}.jpg" for number in numbers for eye in "LR"]
    assert split.labels == {"Vessel": 1}


def test_items_name_the_first_observer_and_come_back_from_a_datalist(tmp_path: Path) -> None:
    folder = layout(tmp_path / "chase", range(1, 11))
    split = read_chase_db1(folder)
    assert split.test[0] == {
        "image": str(folder / "Image_08L.jpg"),
        "label": str(folder / "Image_08L_1stHO.png"),
        "second_observer": str(folder / "Image_08L_2ndHO.png"),
        "subject": "08",
    }
    (folder / "Image_08L_2ndHO.png").unlink()
    assert "second_observer" not in read_chase_db1(folder).test[0]
    path = write_split(split, tmp_path / "lists" / "chase.json")
    assert load_datalist(folder, path, "test", labelled=True) == split.test


def test_missing_files_and_other_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = layout(tmp_path / "chase", range(1, 11))
    (folder / "Image_03R_1stHO.png").unlink()
    with pytest.raises(SamAdaptError, match=r"label='.*Image_03R_1stHO.png': no such file"):
        read_chase_db1(folder)
    with pytest.raises(SamAdaptError, match=r"has subjects \[\]: training, validation or test would be empty"):
        read_chase_db1(tmp_path)
