"""Folds of a cross-validation, pooled data sets, and leaving one out; always by subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monai_samadapt.datasets.split import SECTIONS, Item, Split, check_subjects, split_by_subject
from monai_samadapt.errors import SamAdaptError

VALIDATION_FRACTION = 0.2


@dataclass(frozen=True)
class Fold:
    """One division of the data that every method is trained and tested on.

    Attributes:
        group: the data set, ``pooled``, or ``without NAME``.
        number: from 1.
        split: items with absolute paths and with the ``dataset`` they are from.
    """

    group: str
    number: int
    split: Split

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.group.replace(' ', '_')}-fold{self.number}"


def cross_validation(split: Split, folds: int, seed: int = 0) -> list[Split]:
    """Divide all labelled items into folds, so that each is tested once and no subject is on two sides.

    The sorted subjects are shuffled with ``seed`` and cut into ``folds`` parts as equal as can be; part k is the test
    of fold k. Items that all have a ``fold`` are in the part it says instead. Of the other subjects a fifth, at least
    one, validates (shuffled with ``seed + k``). One fold means the data set's own split.

    Args:
        split: of whose sections all labelled items are taken; they are in the folds in the same order.
        folds: 1, or 2 and more.
        seed: of the shuffles.

    Raises:
        SamAdaptError: for fewer subjects than folds, or than it takes to train, validate and test; for another number
            of folds than the items have, or items of which only some have one; for an own split with an empty section,
            or an item without label.
    """
    if folds < 1:
        raise SamAdaptError("folds", folds, "is no number of folds", "give 1 (the datalist's own split), 2, 3, …")
    if folds == 1:
        _check_own(split)
        return [split]
    items = labelled(split)
    subjects = len({str(item["subject"]) for item in items})
    if subjects < max(folds, 3):
        problem = f"there are {subjects} subjects with a label"
        raise SamAdaptError("folds", folds, problem, "give fewer folds; at least 3 subjects are needed")
    found = []
    for number, test in enumerate(_parts(items, folds, seed), 1):
        tested = {str(item["subject"]) for item in test}
        rest = [item for item in items if str(item["subject"]) not in tested]
        found.append(Split(*_held_out(rest, seed + number), test, split.labels, split.root))
    return found


def separate(splits: Mapping[str, Split], folds: int, seed: int = 0) -> list[Fold]:
    """Each data set by itself: the folds of `cross_validation` of each, the first ones of all sets first."""
    parts = {name: cross_validation(split, folds, seed) for name, split in splits.items()}
    return [
        Fold(name, number + 1, _named(part[number], name)) for number in range(folds) for name, part in parts.items()
    ]


def pooled(splits: Mapping[str, Split], folds: int, seed: int = 0) -> list[Fold]:
    """One training on all data sets: fold k joins the k-th folds of each, with subjects ``SET: SUBJECT``."""
    parts = {name: cross_validation(split, folds, seed) for name, split in splits.items()}
    return [
        Fold("pooled", number + 1, _joined({name: part[number] for name, part in parts.items()}))
        for number in range(folds)
    ]


def leave_one_out(splits: Mapping[str, Split], seed: int = 0) -> list[Fold]:
    """One fold for each data set: tested on all its labelled items, trained on the others', a fifth held out of each.

    Raises:
        SamAdaptError: for fewer than two data sets.
    """
    if len(splits) < 2:
        problem = "there is no other data set to train on"
        raise SamAdaptError("leave_one_out", list(splits), problem, "give two datalists or more")
    parts = {}
    for name, split in splits.items():
        training, validation = _held_out(labelled(split), seed)
        parts[name] = Split(training, validation, [], split.labels, split.root)
    found = []
    for name, split in splits.items():
        rest = _joined({other: part for other, part in parts.items() if other != name})
        test = _named(Split([], [], labelled(split)), name, prefix=f"{name}: ").test
        found.append(Fold(f"without {name}", 1, Split(rest.training, rest.validation, test, rest.labels)))
    return found


def labelled(split: Split) -> list[Item]:
    """The items of all sections that have a label, by the name of their image."""
    items = [item for section in SECTIONS for item in split.section(section) if "label" in item]
    return sorted(items, key=lambda item: str(item["image"]))


def _check_own(split: Split) -> None:
    """Refuse a split that cannot be trained on and tested."""
    for section in SECTIONS:
        items = split.section(section)
        without = [str(item["image"]) for item in items if "label" not in item]
        if not items or without:
            problem = f"{without[0]} in {section} has no label" if items else f"there is nothing in {section}"
            raise SamAdaptError("folds", 1, problem, "give 2 or more, or a datalist with all three sections")


def _parts(items: list[Item], folds: int, seed: int) -> list[list[Item]]:
    """The parts that the items' own ``fold`` says, in the order of its values; else those of the seed."""
    without = [str(item["image"]) for item in items if "fold" not in item]
    if len(without) == len(items):
        return split_by_subject(items, [1] * folds, seed)
    if without:
        problem = f"{len(without)} of {len(items)} items with a label are in no fold, the first {without[0]}"
        raise SamAdaptError("folds", folds, problem, "give every item with a label a fold, or none")
    values = sorted({str(item["fold"]) for item in items})
    if len(values) != folds:
        raise SamAdaptError("folds", folds, f"the items are in the folds {values}", f"give {len(values)}, or 1")
    return [[item for item in items if str(item["fold"]) == value] for value in values]


def _held_out(items: list[Item], seed: int) -> tuple[list[Item], list[Item]]:
    training, validation = split_by_subject(items, (1 - VALIDATION_FRACTION, VALIDATION_FRACTION), seed)
    return training, validation


def _joined(parts: Mapping[str, Split]) -> Split:
    named = [_named(part, name, prefix=f"{name}: ") for name, part in parts.items()]
    training, validation, test = ([item for part in named for item in part.section(section)] for section in SECTIONS)
    return Split(training, validation, test, next((part.labels for part in named if part.labels), {}))


def _named(split: Split, dataset: str, prefix: str = "") -> Split:
    """Items that say which data set they are from."""
    check_subjects(split)
    training, validation, test = (
        [{**item, "subject": f"{prefix}{item['subject']}", "dataset": dataset} for item in split.section(section)]
        for section in SECTIONS
    )
    return Split(training, validation, test, split.labels, split.root)
