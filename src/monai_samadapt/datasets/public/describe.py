"""What is known of a public data set, and what is found of it in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LabelValues = Mapping[str, int | Sequence[int]]

SEEDED = (0.7, 0.1, 0.2)
NOT_ESTABLISHED = "not established: ask its owners"


@dataclass(frozen=True)
class Made:
    """A file that the download does not hold as this package reads it.

    Attributes:
        make: writes it to a path.
        suffix: its file type.
    """

    make: Callable[[Path], None]
    suffix: str = ".png"


Source = Path | Made


@dataclass(frozen=True)
class Case:
    """One image and what belongs to it: files used in place, or to be made.

    Attributes:
        name: unique in the set; names the files that are made.
        image: the image.
        label: the label map; None where it was not published.
        subject: whose image it is; parts of a set share no subject.
        section: ``training``, ``validation`` or ``test`` where it is given; None for a seeded split.
        mask: field of view.
        second_observer: label map of a second observer.
        more: further entries of its item.
    """

    name: str
    image: Source
    label: Source | None
    subject: str
    section: str | None = None
    mask: Source | None = None
    second_observer: Source | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The cases of a download.

    Attributes:
        cases: all of them.
        root: the folder that they lie in.
        labels: name → value or values in the label maps.
        notes: what the user should know, one line each.
        settings: ids to set besides those of the set's description.
    """

    cases: list[Case]
    root: Path
    labels: LabelValues
    notes: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublicSet:
    """A data set as its owners publish it.

    Attributes:
        name: as the command line knows it.
        title: as its owners call it.
        target: what is segmented, in which images.
        home: address of its page.
        licence: of the data, as far as its owners tell.
        citation: the publication to cite.
        split: the division in words.
        encoding: the label files of the download in words.
        read: finds the cases below a folder.
        modality: ``ct``, ``mri``, ``image2d`` or ``fundus``.
        count: published number of images; None where the parts in use have none.
        shares: of subjects without a given section: training, validation, test, or training and test.
        settings: further ids to set, as ``nested`` or ``window``.
    """

    name: str
    title: str
    target: str
    home: str
    licence: str
    citation: str
    split: str
    encoding: str
    read: Callable[[Path], Found]
    modality: str
    count: int | None = None
    shares: Sequence[float] = SEEDED
    settings: Mapping[str, Any] = field(default_factory=dict)
