"""JSON files that are complete, valid and diffable."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from monai_samadapt.files import atomic_path


def json_value(value: Any) -> Any:
    """Turn a value into what JSON can hold: NaN and infinity become null, arrays lists, dates ISO 8601, others text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [json_value(item) for item in value]
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def write_json(value: Any, path: str | os.PathLike[str]) -> None:
    """Write a value as indented JSON, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(json_value(value), indent=2, allow_nan=False) + "\n", encoding="utf-8")
