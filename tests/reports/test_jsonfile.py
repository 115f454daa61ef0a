"""JSON that every reader takes."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_samadapt.reports.jsonfile import json_value, write_json


def test_values_become_valid_json(tmp_path: Path):
    value = {
        "nan": math.nan,
        "infinite": -math.inf,
        "array": np.array([[1, 2]]),
        "scalar": np.float32(0.5),
        "tensor": torch.tensor([1.0, math.nan]),
        "path": tmp_path,
        "date": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        3: (True, None),
    }
    write_json(value, tmp_path / "value.json")
    found = json.loads((tmp_path / "value.json").read_text(), parse_constant=pytest.fail)
    assert found == {
        "nan": None,
        "infinite": None,
        "array": [[1, 2]],
        "scalar": 0.5,
        "tensor": [1.0, None],
        "path": str(tmp_path),
        "date": "2026-01-02T03:04:05+00:00",
        "3": [True, None],
    }
    assert json_value({"b"}) == ["b"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "value.json"
    write_json(1, path)
    with pytest.raises(RecursionError):
        loop: list = []
        loop.append(loop)
        write_json(loop, path)
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]
    assert path.read_text() == "1\n"
