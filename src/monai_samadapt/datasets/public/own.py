"""Data of one's own: two folders, or files by two patterns, as a set that is described by the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_samadapt.datasets.decathlon import label_values
from monai_samadapt.datasets.public.decode import half_of
from monai_samadapt.datasets.public.describe import Case, Found, LabelValues, PublicSet, Source
from monai_samadapt.datasets.public.find import first_folder
from monai_samadapt.datasets.public.outlines import load_json
from monai_samadapt.datasets.public.pictures import binary
from monai_samadapt.datasets.public.scans import is_volume, label_values_in, modality_of
from monai_samadapt.datasets.scan import image_stem, pair_images
from monai_samadapt.datasets.split import unlabelled_notes
from monai_samadapt.errors import SamAdaptError

LABEL_FOLDERS = ("labels", "masks", "annotations", "segmentations")
ONE = [1, 255]
MOST_VALUES = 40
FEW_VALUES = 3  # a label map of no more is none with soft edges


@dataclass(frozen=True)
class Own:
    """What the user says of own data.

    Attributes:
        images: sub-folder, or a pattern with one ``*``, as ``*/CT.nii.gz``.
        masks: the same of the labels; by default the first of `LABEL_FOLDERS` that is there.
        labels: ``NAME``, ``NAME=VALUE`` or ``NAME=VALUE,VALUE`` each, or one JSON file with name → value.
        modality: ``ct``, ``mri``, ``image2d`` or ``fundus``; by default told from file type and intensities.
        subject: pattern whose first group, in the path of an image below its root, is the subject.
    """

    images: str = "images"
    masks: str | None = None
    labels: Sequence[str] = ()
    modality: str | None = None
    subject: str | None = None

    def describe(self, source: Path) -> PublicSet:
        """The description of a set of pairs below ``source``."""
        found = self.read(source)
        return PublicSet(
            name="folders",
            title=source.resolve().name,
            target="data of your own",
            home="none",
            licence="yours to know",
            citation="none",
            split="seeded by subject, 70 : 10 : 20",
            encoding="integer maps",
            read=lambda _: found,
            modality=self.modality or modality_of([case.image for case in found.cases]),
        )

    def read(self, source: Path) -> Found:
        """The pairs below ``source`` and the values of their labels."""
        files, left_out = self._pairs(source)
        notes = unlabelled_notes(left_out)
        labels, soft = self._labels(source, [label for _, label in files.values()])
        if soft:
            notes.append("labels with more values than 0 and one other count from half of their range on")
        cases = [
            Case(key, image, _label(label, soft), self._subject(source, key, image))
            for key, (image, label) in files.items()
        ]
        return Found(cases, source, labels, notes)

    def _pairs(self, source: Path) -> tuple[dict[str, tuple[Path, Path]], list[Path]]:
        if "*" in self.images:
            return _by_pattern(source, self.images, self.masks or "")
        masks = first_folder(source, *([self.masks] if self.masks else LABEL_FOLDERS))
        pairs = pair_images(first_folder(source, self.images), masks)
        known = {image_stem(image): (image, label) for image, label in pairs if label is not None}
        if not known:
            raise SamAdaptError("source", str(masks), "holds no label of an image's name", "give both the same name")
        return known, [image for image, label in pairs if label is None]

    def _labels(self, source: Path, files: Sequence[Path]) -> tuple[LabelValues, bool]:
        """The labels, and whether the files have to be cut at half."""
        values = {path: label_values_in(path) for path in files}
        every = set().union(*values.values()) - {0}
        named = parse_labels(self.labels, source)
        sharp = all(found <= {0, 1} or found <= {0, 255} for found in values.values())
        maybe = not sharp and not is_volume(files[0]) and (bool(named) or len(every) > MOST_VALUES)
        soft = maybe and any(len(found) > FEW_VALUES and max(found) >= half_of(path) for path, found in values.items())
        if (sharp or soft) and (not named or list(named.values()) == [ONE]):
            return named or {"Foreground": ONE}, soft
        named = named or {f"Label {value}": value for value in sorted(every)}
        allowed = {value for given in named.values() for value in ([given] if isinstance(given, int) else given)}
        for path, found in values.items():
            if extra := sorted(found - allowed - {0}):
                problem = f"has values {extra[:8]} that --labels does not name"
                raise SamAdaptError("label", str(path), problem, "name every value, as --labels Liver=1 Tumor=2,3")
        return named, False

    def _subject(self, source: Path, key: str, image: Path) -> str:
        if self.subject is None:
            return key
        path = image.relative_to(source).as_posix()
        try:
            match = re.search(self.subject, path)
        except re.error as error:
            raise SamAdaptError(
                "subject", self.subject, f"is no pattern ({error})", r"give e.g. 'patient(\d+)'"
            ) from error
        if match is None or not match.groups():
            problem = f"has no group in {path}"
            raise SamAdaptError("subject", self.subject, problem, r"give e.g. 'patient(\d+)'")
        return match[1]


def parse_labels(words: Sequence[str], source: Path) -> Mapping[str, int | list[int]]:
    """Read ``NAME``, ``NAME=VALUE``, ``NAME=VALUE,VALUE`` or one JSON file; a name alone stands for 1 and 255.

    Raises:
        SamAdaptError: for a word of another form.
    """
    if len(words) == 1 and words[0].endswith(".json"):
        path = Path(words[0])
        path = path if path.is_file() else source / path
        return label_values(load_json(path), path)
    if len(words) == 1 and "=" not in words[0]:
        return {words[0]: ONE}
    result: dict[str, int | list[int]] = {}
    for word in words:
        name, _, values = word.partition("=")
        numbers = values.split(",")
        if not name or not all(number.isdigit() and int(number) > 0 for number in numbers):
            raise SamAdaptError("labels", word, "is no label", "give NAME=VALUE, e.g. Liver=1 Tumor=2,3")
        result[name] = int(numbers[0]) if len(numbers) == 1 else [int(number) for number in numbers]
    return result


def _label(path: Path, soft: bool) -> Source:
    return binary(path) if soft and not is_volume(path) else path


def _by_pattern(source: Path, images: str, masks: str) -> tuple[dict[str, tuple[Path, Path]], list[Path]]:
    for key, pattern in (("images", images), ("masks", masks)):
        if Path(pattern).is_absolute():
            raise SamAdaptError(key, pattern, "is no pattern below the source", f"give it relative to {source}")
    if images.count("*") != 1 or masks.count("*") != 1:
        raise SamAdaptError(
            "masks", masks, "has not one *", "give both patterns one *, as */ct.nii.gz and */mask.nii.gz"
        )
    found, left_out = {}, []
    before, after = images.split("*")
    for image in sorted(source.glob(images)):
        path = image.relative_to(source).as_posix()
        if any(part.startswith((".", "__MACOSX")) for part in path.split("/")):
            continue
        key = path[len(before) : len(path) - len(after)]
        label = source / masks.replace("*", key)
        if label.exists():
            found[key] = (image, label)
        else:
            left_out.append(image)
    if not found:
        raise SamAdaptError("images", images, f"matches no image with a label in {source}", "correct the patterns")
    return found, left_out
