"""Checks of the data's settings; each raises an error that names the setting."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.transforms.colour import CHANNELS


def check_window(window: Sequence[float] | None, modality: str) -> tuple[float, float] | None:
    """Return lowest and highest HU; only ``ct`` needs them, and ``mri`` has none."""
    remedy = "give lowest and highest HU, e.g. [-160, 240]"
    if window is None:
        if modality == "ct":
            raise SamAdaptError("window", window, "is missing for ct", remedy)
        return None
    if modality == "mri":
        raise SamAdaptError("window", window, "is for ct; mri is scaled by its percentiles", "leave it null")
    if not _numbers(window, 2) or window[0] >= window[1]:
        raise SamAdaptError("window", window, "is no lower and upper bound", remedy)
    return float(window[0]), float(window[1])


def check_spacing(spacing: float | Sequence[float] | None) -> tuple[float, float] | None:
    """Return the size of a pixel along rows and columns."""
    if spacing is None:
        return None
    pair = spacing if isinstance(spacing, Sequence) else (spacing, spacing)
    if not _numbers(pair, 2) or min(pair) <= 0:
        remedy = "give the size of a pixel in mm, e.g. 0.8 or [0.8, 0.8] for rows and columns"
        raise SamAdaptError("spacing", spacing, "is no size of a pixel", remedy)
    return float(pair[0]), float(pair[1])


def check_fundus(modality: str, channels: str, crop: float | None) -> None:
    """Check the settings that fundus photographs alone have."""
    if channels not in CHANNELS:
        raise SamAdaptError("channels", channels, "is unknown", f"give one of {', '.join(CHANNELS)}")
    is_size = isinstance(crop, (int, float)) and not isinstance(crop, bool) and math.isfinite(crop) and crop > 0
    if crop is not None and not is_size:
        remedy = "give a share of the field of view, e.g. 0.4, or a side in pixels, e.g. 400"
        raise SamAdaptError("crop", crop, "is no size of a square", remedy)
    if modality != "fundus" and channels != "rgb":
        raise SamAdaptError("channels", channels, f"is for fundus, not for {modality}", "leave it rgb")
    if modality != "fundus" and crop is not None:
        raise SamAdaptError("crop", crop, f"is for fundus, not for {modality}", "leave it null")


def check_nested(nested: bool, label_spec: LabelSpec) -> None:
    """Check that labels that lie inside one another may overlap."""
    if not isinstance(nested, bool):
        raise SamAdaptError("nested", nested, "is neither True nor False", "give one of them")
    if nested and label_spec.exclusive:
        remedy = (
            'give labels that share values, outermost first, e.g. {"Disc": [1, 2], "Cup": 2}, or leave nested False'
        )
        raise SamAdaptError("nested", nested, "is for overlapping labels, these exclude each other", remedy)


def file_names(label_spec: LabelSpec) -> list[str]:
    """Return each label's name as a part of a file's name: what is no letter, digit, dot, dash or ``_`` becomes ``_``.

    Raises:
        SamAdaptError: when two labels would be written to the same file.
    """
    labels: dict[str, str] = {}
    for label in label_spec.names:
        name = re.sub(r"[^\w.-]+", "_", label)
        if (other := labels.setdefault(name, label)) != label:
            problem = f"would be saved over {other!r}: the files of both end in _{name}"
            raise SamAdaptError("labels", label, problem, "rename one, in letters and digits that the other has not")
    return list(labels)


def plain_values(value: Any) -> Any:
    """Return settings as JSON values: tuples become lists."""
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in value.items()}
    return [plain_values(item) for item in value] if isinstance(value, (list, tuple)) else value


def _numbers(values: Any, count: int) -> bool:
    numbers = isinstance(values, Sequence) and all(isinstance(item, (int, float)) for item in values)
    return numbers and len(values) == count and all(math.isfinite(item) for item in values)
