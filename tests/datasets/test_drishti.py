from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_samadapt.datasets import load_datalist, write_split
from monai_samadapt.datasets.drishti import read_drishti
from monai_samadapt.datasets.split import SECTIONS
from monai_samadapt.errors import SamAdaptError


def layout(folder: Path, cases: int) -> Path:
    for number in range(cases):
        for kind, suffix in (("images", "jpg"), ("labels", "png")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            name = f"training_drishtiGS_{number:03d}.{suffix}"
            Image.fromarray(np.zeros((5, 6), np.uint8)).save(folder / kind / name)
    return folder


@pytest.mark.parametrize(("cases", "expected"), [(30, (16, 4, 10)), (5, (2, 1, 2))])
def test_parts_follow_the_names(tmp_path: Path, cases: int, expected: tuple[int, ...]) -> None:
    split = read_drishti(layout(tmp_path / "drishti", cases))
    assert tuple(len(split.section(section)) for section in SECTIONS) == expected
    subjects = [item["subject"] for section in SECTIONS for item in split.section(section)]
    assert subjects == [f"training_drishtiGS_{number:03d}" for number in range(cases)]
    assert split.labels == {"Disc": [1, 2], "Cup": 2}
    path = write_split(split, tmp_path / "lists" / "drishti.json")
    assert load_datalist(split.root, path, "validation") == split.validation


def test_images_without_label_and_too_few_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = layout(tmp_path / "drishti", 6)
    (folder / "labels" / "training_drishtiGS_002.png").unlink()
    with pytest.raises(SamAdaptError, match=r"image='.*training_drishtiGS_002.jpg': has no label"):
        read_drishti(folder)
    with pytest.raises(SamAdaptError, match="has 4 images"):
        read_drishti(layout(tmp_path / "few", 4))
