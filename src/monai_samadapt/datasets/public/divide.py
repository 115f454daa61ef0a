"""The division of a public set's cases into training, validation and test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monai_samadapt.datasets.decathlon import HELD_OUT_FRACTION
from monai_samadapt.datasets.public.describe import Case
from monai_samadapt.datasets.split import SECTIONS, split_by_subject
from monai_samadapt.errors import SamAdaptError

Parts = dict[str, list[Case]]


def divide(cases: Iterable[Case], shares: Sequence[float], seed: int) -> Parts:
    """Put cases into the sections they name, and the others by subject into sections of the given shares.

    Without a validation part, a fifth of the training subjects is held out for it.

    Args:
        cases: the cases.
        shares: of training, validation and test, or of training and test.
        seed: of everything that is drawn.

    Raises:
        SamAdaptError: when training or validation would be empty.
    """
    cases = list(cases)
    parts: Parts = {name: [case for case in cases if case.section == name] for name in SECTIONS}
    free = [case for case in cases if case.section is None]
    if free:
        names = SECTIONS if len(shares) == len(SECTIONS) else (SECTIONS[0], SECTIONS[2])
        for name, part in zip(names, _shared(free, shares, seed), strict=True):
            parts[name] += part
    if parts["training"] and not parts["validation"]:
        kept = (1 - HELD_OUT_FRACTION, HELD_OUT_FRACTION)
        parts["training"], parts["validation"] = _shared(parts["training"], kept, seed)
    for name in SECTIONS[:2]:
        if not parts[name]:
            raise SamAdaptError("source", name, "would have no cases", "give the complete download")
    return parts


def _shared(cases: Sequence[Case], shares: Sequence[float], seed: int) -> list[list[Case]]:
    items = [{"subject": case.subject, "case": case} for case in cases]
    return [[item["case"] for item in part] for part in split_by_subject(items, shares, seed)]
