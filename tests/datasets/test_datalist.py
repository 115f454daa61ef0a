"""Datalists and folders of images and labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.datasets import SECTIONS, inference_items, load_datalist, read_split
from monai_samadapt.datasets.scan import list_images
from monai_samadapt.errors import SamAdaptError


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _write(root: Path, content: Any, name: str = "datalist.json") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return root / name


def _pair(name: str, **more: str) -> dict[str, str]:
    return {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz", **more}


def _set(root: Path, *names: str) -> None:
    _touch(root, *(f"{folder}/{name}.nii.gz" for name in names for folder in ("images", "labels")))


def test_sections_have_absolute_paths_subject_and_other_keys(tmp_path: Path) -> None:
    _set(tmp_path, "a", "b", "c")
    _touch(tmp_path, "fov/a.png")
    training = [_pair("a", mask="fov/a.png", scanner="X", subject="p1")]
    _write(tmp_path, {"training": training, "validation": [_pair("b")], "test": [_pair("c")]})
    assert load_datalist(tmp_path) == [
        {
            "image": str(tmp_path / "images/a.nii.gz"),
            "label": str(tmp_path / "labels/a.nii.gz"),
            "mask": str(tmp_path / "fov/a.png"),
            "scanner": "X",
            "subject": "p1",
        }
    ]
    assert [load_datalist(tmp_path, section=name)[0]["subject"] for name in SECTIONS] == ["p1", "images/b", "images/c"]


def test_decathlon_spelling(tmp_path: Path) -> None:
    names = [f"case_{index}" for index in range(10)]
    _touch(tmp_path, *(f"{folder}/{name}.nii.gz" for name in names for folder in ("imagesTr", "labelsTr")))
    _touch(tmp_path, "imagesTs/t.nii.gz")
    training = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    labels = {"0": "background", "1": "liver", "2": "cancer"}
    _write(tmp_path, {"labels": labels, "training": training, "test": ["./imagesTs/t.nii.gz"]}, "dataset.json")
    split = read_split(tmp_path)
    assert [len(split.section(name)) for name in SECTIONS] == [8, 2, 1]
    assert split.labels == {"liver": 1, "cancer": 2}
    assert split.test == [{"image": str(tmp_path / "imagesTs/t.nii.gz"), "subject": "imagesTs/t"}]
    kept, held_out = (load_datalist(tmp_path, section=name) for name in SECTIONS[:2])
    assert sorted(item["image"] for item in kept + held_out) == [str(tmp_path / f"imagesTr/{n}.nii.gz") for n in names]
    assert held_out == load_datalist(tmp_path, section="validation")
    assert any(load_datalist(tmp_path, section="validation", seed=seed) != held_out for seed in (1, 2, 3))


def test_held_out_part_is_by_subject(tmp_path: Path) -> None:
    names = [f"p{patient}_{eye}" for patient in range(5) for eye in "LR"]
    _set(tmp_path, *names)
    _write(tmp_path, {"training": [_pair(name, subject=name[:2]) for name in names]})
    split = read_split(tmp_path)
    assert len(split.training) == 8 and len(split.validation) == 2
    assert len({item["subject"] for item in split.validation}) == 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"background": 0, "Disc": [1, 2], "Cup": 2}, {"Disc": [1, 2], "Cup": 2}),
        (["Liver", "Lesion"], {"Liver": 1, "Lesion": 2}),
        (["background", "Liver"], {"Liver": 1}),
        ({}, {}),
    ],
)
def test_label_names(tmp_path: Path, labels: Any, expected: dict[str, Any]) -> None:
    _write(tmp_path, {"labels": labels, "test": ["a.png"]})
    assert read_split(tmp_path).labels == expected


def test_paths_are_relative_to_the_datalist_then_to_the_data_set(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _set(data, "a", "b")
    _set(data / "fold", "a")
    path = _write(data, {"training": [_pair("a")], "validation": [_pair("b")]}, "fold/one.json")
    for datalist in ("fold/one.json", path):
        assert load_datalist(data, datalist)[0]["image"] == str(data / "fold/images/a.nii.gz")
        assert load_datalist(data, datalist, "validation")[0]["image"] == str(data / "images/b.nii.gz")


def test_paths_are_found_below_the_root_that_the_datalist_names(tmp_path: Path) -> None:
    _set(tmp_path / "source", "a")
    _write(tmp_path / "prepared", {"root": str(tmp_path / "source"), "test": [_pair("a")]})
    assert load_datalist(tmp_path / "prepared", None, "test")[0]["image"] == f"{tmp_path}/source/images/a.nii.gz"
    _set(tmp_path / "prepared", "a")
    assert load_datalist(tmp_path / "prepared", None, "test")[0]["image"] == f"{tmp_path}/prepared/images/a.nii.gz"


def test_windows_editors_may_save_a_datalist(tmp_path: Path) -> None:
    _set(tmp_path, "a")
    (tmp_path / "datalist.json").write_text(json.dumps({"test": [_pair("a")]}), encoding="utf-8-sig")
    assert len(load_datalist(tmp_path, None, "test")) == 1


def test_same_file_name_in_folders_of_cases_is_no_conflict(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"case{index}/{name}.nrrd" for index in range(3) for name in ("ct", "seg")))
    items = [{"image": f"case{index}/ct.nrrd", "label": f"case{index}/seg.nrrd"} for index in range(3)]
    _write(tmp_path, {section: [item] for section, item in zip(SECTIONS, items, strict=True)})
    assert [load_datalist(tmp_path, section=name)[0]["subject"] for name in SECTIONS] == [
        "case0/ct",
        "case1/ct",
        "case2/ct",
    ]


def test_folders_are_split_by_stem_and_series_are_folders(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"images/c{index}.jpg" for index in range(9)), "images/.hidden.png", "images/notes.txt")
    _touch(tmp_path, *(f"labels/c{index}.png" for index in range(8)), "images/c9/1.dcm", "labels/c9.nii.gz")
    split = read_split(tmp_path)
    assert [len(split.section(name)) for name in SECTIONS] == [6, 1, 2]
    by_subject = {item["subject"]: item for name in SECTIONS for item in split.section(name)}
    assert set(by_subject) == {f"c{index}" for index in (0, 1, 2, 3, 4, 5, 6, 7, 9)}
    assert by_subject["c9"]["image"] == str(tmp_path / "images/c9")
    assert by_subject["c3"]["label"] == str(tmp_path / "labels/c3.png")
    assert len(inference_items(tmp_path)) == 10


def test_inference_takes_a_file_a_series_a_folder_or_the_test_section(tmp_path: Path) -> None:
    _touch(tmp_path, "flat/b.png", "flat/a.nii.gz", "series/IM1.dcm", "series/IM2.dcm", "set/t.png", "set/u.png")
    with (tmp_path / "series" / "IM1.dcm").open("wb") as stream:
        stream.write(bytes(128) + b"DICM")
    assert inference_items(tmp_path / "flat") == [
        {"image": str(tmp_path / "flat/a.nii.gz"), "subject": "a"},
        {"image": str(tmp_path / "flat/b.png"), "subject": "b"},
    ]
    assert inference_items(tmp_path / "flat/b.png") == [{"image": str(tmp_path / "flat/b.png"), "subject": "b"}]
    assert inference_items(tmp_path / "series") == [{"image": str(tmp_path / "series"), "subject": "series"}]
    _write(tmp_path / "set", {"training": [_pair("x")], "test": [{"image": "t.png", "label": "t_label.png"}]})
    assert inference_items(tmp_path / "set") == [{"image": str(tmp_path / "set/t.png"), "subject": "t"}]


def test_series_without_suffix_is_known_by_its_mark(tmp_path: Path) -> None:
    _touch(tmp_path, "other/README")
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "IM0001").write_bytes(bytes(128) + b"DICM")
    assert [item["subject"] for item in inference_items(tmp_path)] == ["series"]


GOOD = {"validation": [_pair("b")], "test": [_pair("c")]}

BAD_JSON: list[tuple[Any, str]] = [
    ('{"training": [\n  {"image": }\n]}', "is no JSON at line 2"),
    ("[1, 2]", "has no section of a datalist"),
    ({"training": {"image": "a"}}, "training='dict': is no list"),
    ({"training": [{"label": "a"}]}, "is no item of"),
    ({"training": [{"image": ["a", "b"]}]}, "is no item of"),
    ({"training": [_pair("a", mask=3)], **GOOD}, "mask=3: is no path"),  # type: ignore[arg-type]
    ({"training": [{"image": "images/a.nii.gz"}], **GOOD}, r"image='.*a\.nii\.gz': has no label"),
    ({"training": [_pair("a"), _pair("a")], **GOOD}, r"image='.*a\.nii\.gz': is twice in training"),
    ({"training": [_pair("a"), _pair("c")], **GOOD}, "subject='images/c': is in training and in test"),
    ({"training": [_pair("a", subject="b")], "test": [_pair("c", subject="b")]}, "subjects=1: too few subjects"),
    ({"training": [_pair("nowhere")], **GOOD}, r"image='.*images/nowhere\.nii\.gz': no such file"),
    ({"training": [_pair("a", mask="fov.png")], **GOOD}, r"mask='.*fov\.png': no such file"),
    ({"training": [], **GOOD}, "section='training': no items"),
    ({"labels": 3, "training": [_pair("a")], **GOOD}, "labels=3: is no mapping"),
]


@pytest.mark.parametrize(("content", "message"), BAD_JSON)
def test_bad_datalists_give_one_line(tmp_path: Path, content: Any, message: str) -> None:
    _set(tmp_path, "a", "b", "c")
    _write(tmp_path, content)
    with pytest.raises(SamAdaptError, match=message) as error:
        load_datalist(tmp_path)
    assert "\n" not in str(error.value)


def test_label_is_wanted_of_test_items_only_for_evaluation(tmp_path: Path) -> None:
    _touch(tmp_path, "t.png")
    _write(tmp_path, {"test": ["t.png"]})
    assert load_datalist(tmp_path, section="test")[0]["subject"] == "t"
    with pytest.raises(SamAdaptError, match="has no label in test"):
        load_datalist(tmp_path, section="test", labelled=True)


BAD_FOLDERS: list[tuple[list[str], str]] = [
    ([], "has neither datalist.json nor images/"),
    (["images/a.png"], "has neither datalist.json nor images/ with labels/ of the same names"),
    (["images/notes.txt", "labels/a.png"], "holds no images"),
    (["images/a.png", "images/a.jpg"], r"image='.*a\.jpg': has the stem of a\.png"),
    (["images/a.png", "labels/b.png"], r"label='.*b\.png': no image of that name"),
    (["images/a.png", "labels/a.png"], "subjects=1: too few subjects to divide into 3 parts"),
]


@pytest.mark.parametrize(("names", "message"), BAD_FOLDERS)
def test_bad_folders_give_one_line(tmp_path: Path, names: list[str], message: str) -> None:
    _touch(tmp_path, *names)
    with pytest.raises(SamAdaptError, match=message) as error:
        load_datalist(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_paths_give_one_line(tmp_path: Path) -> None:
    with pytest.raises(SamAdaptError, match=r"dataset_dir='.*nowhere': no such folder"):
        load_datalist(tmp_path / "nowhere")
    with pytest.raises(SamAdaptError, match=r"datalist='.*folds\.json': no such file"):
        load_datalist(tmp_path, "folds.json")
    with pytest.raises(SamAdaptError, match="no images in it"):
        inference_items(tmp_path)
    _write(tmp_path, {"training": [_pair("a")]})
    with pytest.raises(SamAdaptError, match=r"no images in .*datalist\.json"):
        inference_items(tmp_path)


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "datalist.json").write_bytes(b'{"training": "\xff"}')
    with pytest.raises(SamAdaptError, match=r"datalist='.*datalist\.json': cannot be read"):
        load_datalist(tmp_path)


def test_datalist_may_be_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mydata").mkdir()
    (tmp_path / "mydata/a.png").touch()
    (tmp_path / "mydata/datalist.json").write_text(json.dumps({"test": [{"image": "a.png"}]}))
    monkeypatch.chdir(tmp_path)
    for name in ("datalist.json", "mydata/datalist.json"):
        (item,) = load_datalist("mydata", name, "test", 0)
        assert Path(item["image"]) == tmp_path / "mydata/a.png"


def test_a_series_is_known_by_the_mark_whatever_its_files_are_called(tmp_path: Path) -> None:
    for name in ("a/1.IMA", "b/2.dicom"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    assert list_images(tmp_path) == [tmp_path / "a", tmp_path / "b"]
