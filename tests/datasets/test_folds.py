"""Folds by subject, pooled sets and one left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_samadapt.datasets import SECTIONS, Split
from monai_samadapt.datasets.folds import cross_validation, leave_one_out, pooled, separate
from monai_samadapt.datasets.split import Item, check_subjects
from monai_samadapt.errors import SamAdaptError


def items(name: str, subjects: int, images: int = 2) -> list[Item]:
    pairs = [(subject, image) for subject in range(subjects) for image in range(images)]
    return [{"image": f"/{name}/{s}_{i}.png", "label": f"/{name}/{s}_{i}_l.png", "subject": f"s{s}"} for s, i in pairs]


def split(name: str = "a", subjects: int = 7) -> Split:
    every = items(name, subjects)
    unlabelled = {"image": f"/{name}/x.png", "subject": "x"}
    return Split(every[:6], every[6:8], [*every[8:], unlabelled], {"Disc": 1}, Path(f"/{name}"))


def subjects(part: list[Item]) -> list[str]:
    return sorted({str(item["subject"]) for item in part})


def test_each_subject_is_tested_once_by_the_seed() -> None:
    folds = cross_validation(split(), 3, seed=0)
    # sorted s0 … s6, shuffled by random.Random(0) into s4 s2 s1 s0 s5 s3 s6 and cut into 3, 2, 2
    assert [subjects(fold.test) for fold in folds] == [["s1", "s2", "s4"], ["s0", "s5"], ["s3", "s6"]]
    assert [[len(fold.section(name)) for name in SECTIONS] for fold in folds] == [[6, 2, 6], [8, 2, 4], [8, 2, 4]]
    for fold in folds:
        check_subjects(fold)
        assert sum(len(fold.section(name)) for name in SECTIONS) == 14  # the one without label is in no fold
    assert cross_validation(split(), 3, seed=0) == folds
    assert cross_validation(split(), 3, seed=1) != folds


def test_order_of_the_sections_does_not_matter() -> None:
    every = items("a", 7)
    assert cross_validation(Split(every[::-1], [], []), 3)[1].test == cross_validation(Split([], [], every), 3)[1].test


def test_one_fold_is_the_own_split() -> None:
    own = split()
    own.test.pop()
    (fold,) = separate({"a": own}, 1)
    assert [len(fold.split.section(name)) for name in SECTIONS] == [6, 2, 6]
    assert (fold.name, fold.split.test[0]["dataset"]) == ("a-fold1", "a")


def test_one_fold_needs_all_sections_with_labels() -> None:
    with pytest.raises(SamAdaptError, match=r"^folds=1: /a/x.png in test has no label; give 2 or more"):
        separate({"a": split()}, 1)
    every = items("a", 3)
    for section, own in (("training", Split([], every, every)), ("test", Split(every[:4], every[4:], []))):
        with pytest.raises(SamAdaptError, match=f"^folds=1: there is nothing in {section}"):
            separate({"a": own}, 1)


def test_pooled_folds_join_those_of_each_set() -> None:
    splits = {"a": split("a", 7), "b": split("b", 5)}
    own = {name: cross_validation(one, 2, seed=5) for name, one in splits.items()}
    for number, fold in enumerate(pooled(splits, 2, seed=5)):
        assert fold.name == f"pooled-fold{number + 1}"
        for section in SECTIONS:
            found = [(item["dataset"], item["image"]) for item in fold.split.section(section)]
            assert found == [(name, item["image"]) for name in own for item in own[name][number].section(section)]
    for one in splits.values():
        one.test.pop()
    first = pooled(splits, 1)[0].split
    assert {"a: s0", "b: s0"} <= {item["subject"] for name in SECTIONS for item in first.section(name)}


def test_the_set_left_out_is_tested_whole() -> None:
    splits = {name: split(name, 5) for name in "abc"}
    folds = leave_one_out(splits)
    assert [fold.name for fold in folds] == ["without_a-fold1", "without_b-fold1", "without_c-fold1"]
    for name, fold in zip("abc", folds, strict=True):
        assert {item["dataset"] for item in fold.split.test} == {name}
        assert len(fold.split.test) == 10
        assert {item["dataset"] for item in fold.split.training} == set("abc") - {name}
        assert [len(fold.split.training), len(fold.split.validation)] == [16, 4]  # of 5 subjects 4 and 1, two sets
        check_subjects(fold.split)


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(SamAdaptError, match="folds=4: there are 3 subjects with a label"):
        cross_validation(Split(items("a", 3), [], []), 4)
    with pytest.raises(SamAdaptError, match="folds=2: there are 2 subjects"):
        cross_validation(Split(items("a", 2), [], []), 2)
    with pytest.raises(SamAdaptError, match="folds=0"):
        cross_validation(split(), 0)
    with pytest.raises(SamAdaptError, match="leave_one_out="):
        leave_one_out({"a": split()})


def test_folds_that_the_items_have_are_kept() -> None:
    every = [{**item, "fold": "ab"[int(str(item["subject"])[1:]) % 2]} for item in items("a", 6)]
    folds = cross_validation(Split(every, [], []), 2)
    assert [subjects(fold.test) for fold in folds] == [["s0", "s2", "s4"], ["s1", "s3", "s5"]]
    assert [[len(fold.training), len(fold.validation)] for fold in folds] == [[4, 2], [4, 2]]
    with pytest.raises(SamAdaptError, match=r"folds=3: the items are in the folds \['a', 'b'\]"):
        cross_validation(Split(every, [], []), 3)
    del every[3]["fold"]
    with pytest.raises(
        SamAdaptError, match=r"folds=2: 1 of 12 items with a label are in no fold, the first /a/1_1.png"
    ):
        cross_validation(Split(every, [], []), 2)
