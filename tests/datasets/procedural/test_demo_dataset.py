"""The demo data set: files, datalist, labels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_samadapt.datasets import SECTIONS, load_datalist, read_split
from monai_samadapt.datasets.procedural import CT_LABELS, write_demo_dataset
from monai_samadapt.errors import SamAdaptError

GRID = {"shape": (24, 24, 12), "spacing": (6.0, 6.0, 10.0)}


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_ct_set_has_relative_paths_mixed_axes_and_cases_without_lesion(tmp_path: Path) -> None:
    path = write_demo_dataset(tmp_path, "ct", 8, seed=1, **GRID)
    assert path == tmp_path / "datalist.json"
    content = json.loads(path.read_text())
    assert [len(content[section]) for section in SECTIONS] == [5, 1, 2]
    assert content["labels"] == CT_LABELS
    assert content["training"][0] == {
        "image": "images/ct_000.nii.gz",
        "label": "labels/ct_000.nii.gz",
        "subject": "ct_000",
    }
    axes, lesions, spacings = set(), [], set()
    for item in (item for section in SECTIONS for item in load_datalist(tmp_path, section=section)):
        image, label = nib.load(item["image"]), nib.load(item["label"])
        assert image.shape == label.shape and np.array_equal(image.affine, label.affine)
        axes.add("".join(nib.aff2axcodes(image.affine)))
        spacings.add(tuple(np.round(nib.affines.voxel_sizes(image.affine), 3)))
        lesions.append(bool((np.asarray(label.dataobj) == CT_LABELS["Lesion"]).any()))
    assert axes == {"RAS", "LPS", "LAS", "PIR"} and len(spacings) == 8
    assert lesions == [index % 3 != 2 for index in range(8)]


def test_fundus_set_has_disc_vessels_and_field_of_view(tmp_path: Path) -> None:
    write_demo_dataset(tmp_path, "fundus", 3, size=(64, 72))
    assert read_split(tmp_path).labels == {"Disc": [1, 2], "Cup": [2]}
    assert read_split(tmp_path, "datalist_vessels.json").labels == {"Vessel": 255}
    disc, vessels = (load_datalist(tmp_path, name, "test")[0] for name in (None, "datalist_vessels.json"))
    assert disc["image"] == vessels["image"] and disc["mask"] == vessels["mask"]
    arrays = [np.asarray(Image.open(path)) for path in (disc["image"], disc["label"], vessels["label"], disc["mask"])]
    assert arrays[0].shape == (72, 81, 3) and all(array.shape == (72, 81) for array in arrays[1:])
    assert [set(np.unique(array)) for array in arrays[1:]] == [{0, 1, 2}, {0, 255}, {0, 255}]


def test_the_target_chooses_what_the_datalist_lists(tmp_path: Path) -> None:
    for target in ("disc_cup", "vessel"):
        write_demo_dataset(tmp_path / target, "fundus", 3, size=(64, 72), target=target)
    assert read_split(tmp_path / "vessel").labels == {"Vessel": 255}
    label = Path(load_datalist(tmp_path / "vessel", section="test")[0]["label"])
    assert label.parent == tmp_path / "vessel" / "vessels"
    first, second = (_hashes(tmp_path / target) for target in ("disc_cup", "vessel"))
    assert {name for name in first if first[name] != second[name]} == {"datalist.json"}
    with pytest.raises(SamAdaptError, match="target='macula'"):
        write_demo_dataset(tmp_path, "fundus", 3, target="macula")


@pytest.mark.parametrize(("kind", "options"), [("ct", GRID), ("fundus", {"size": (64, 72)})])
def test_same_seed_same_files(tmp_path: Path, kind: str, options: dict[str, tuple[int, ...]]) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_demo_dataset(tmp_path / name, kind, 3, seed, **options)
    first, second, other = (_hashes(tmp_path / name) for name in "abc")
    assert first == second
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first if name.startswith("images"))


def test_wrong_kind_and_too_few_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SamAdaptError, match="kind='mr'"):
        write_demo_dataset(tmp_path, "mr", 3)
    with pytest.raises(SamAdaptError, match="cases=2"):
        write_demo_dataset(tmp_path, "ct", 2)
    assert not list(tmp_path.iterdir())
