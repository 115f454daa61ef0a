"""Splits by subject."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_samadapt.datasets import SECTIONS, Split, load_datalist, read_split, split_by_subject, write_split
from monai_samadapt.datasets.split import check_subjects
from monai_samadapt.errors import SamAdaptError


def _items(subjects: int, images: int = 2) -> list[dict[str, str]]:
    return [{"image": f"{s}_{i}.png", "subject": f"s{s}"} for s in range(subjects) for i in range(images)]


@pytest.mark.parametrize(
    ("subjects", "fractions", "expected"),
    [
        (10, (0.7, 0.1, 0.2), [7, 1, 2]),
        (3, (0.7, 0.1, 0.2), [1, 1, 1]),
        (5, (0.8, 0.2), [4, 1]),
        (4, (0.7, 0.1, 0.2), [2, 1, 1]),
        (20, (7, 1, 2), [14, 2, 4]),
        (7, (1, 1), [4, 3]),
    ],
)
def test_subjects_are_shared_out_by_fraction(subjects: int, fractions: tuple[float, ...], expected: list[int]) -> None:
    parts = split_by_subject(_items(subjects), fractions, seed=3)
    found = [{item["subject"] for item in part} for part in parts]
    assert [len(part) for part in found] == expected
    assert [len(part) for part in parts] == [2 * count for count in expected]
    assert set.union(*found) == {f"s{index}" for index in range(subjects)}


def test_split_depends_on_seed_and_names_only() -> None:
    items = _items(20)
    first = split_by_subject(items, (0.7, 0.3), seed=0)
    again = split_by_subject(items[::-1], (0.7, 0.3), seed=0)
    assert [{i["subject"] for i in part} for part in first] == [{i["subject"] for i in part} for part in again]
    assert first != split_by_subject(items, (0.7, 0.3), seed=1)


def test_too_few_subjects_and_wrong_fractions_are_refused() -> None:
    with pytest.raises(SamAdaptError, match="subjects=2: too few subjects to divide into 3 parts"):
        split_by_subject(_items(2), (0.7, 0.1, 0.2))
    with pytest.raises(SamAdaptError, match="fractions="):
        split_by_subject(_items(5), (1.0, 0.0))


def test_subject_in_two_sections_is_named() -> None:
    items = _items(2)
    with pytest.raises(SamAdaptError, match="subject='s1': is in training and in test"):
        check_subjects(Split(items, [], items[2:]))


def test_unknown_section_is_refused() -> None:
    with pytest.raises(SamAdaptError, match=r"section='train'.*\['training', 'validation', 'test'\]"):
        Split([], [], []).section("train")


def test_written_split_reads_back_the_same(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for folder in ("images", "labels"):
        (data / folder).mkdir(parents=True)
        for index in range(10):
            (data / folder / f"{index}.png").touch()
    split = read_split(data, seed=5)
    path = write_split(split, tmp_path / "output" / "split.json")
    assert read_split(data, path) == split
    assert json.loads(path.read_text())["test"][0]["image"].startswith("images/")
    assert [len(load_datalist(data, path, section)) for section in SECTIONS] == [7, 1, 2]
    with pytest.raises(SamAdaptError, match="never written to"):
        write_split(split, data / "split.json")
    assert sorted(child.name for child in data.iterdir()) == ["images", "labels"]
