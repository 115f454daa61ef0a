"""A run is not resumed with other settings, beyond its end or from a broken checkpoint: one line says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.errors import OneLineExit


@pytest.mark.parametrize(
    ("ids", "key", "problem"),
    [
        ({"batch_size": 4}, "batch_size", "the run to resume has 2 steps an epoch"),
        ({"seed": 1}, "seed", "the run to resume has 0"),
        ({"labels": {"Liver": 1, "Others": [2, 3, 4]}}, "labels", "the run to resume has"),
        ({"labels": {"Spleen": 2, "Liver": 1, "Kidneys": 3, "Lesion": 4}}, "labels", "the run to resume has"),
        ({"window": [-200, 300]}, "window", "the run to resume has"),
        ({"learning_rate": 1e-5}, "learning_rate", "the run to resume has 0."),
        ({"max_epochs": 2}, "max_epochs", "the run to resume has finished epoch 3"),
        ({"label_embeddings": "learned"}, "label_embeddings", "the run to resume has 'fixed'"),
    ],
)
def test_resuming_with_other_settings_is_refused(
    bundle: Any,
    ct_run: Any,
    ct_training: dict[str, Any],
    ids: dict[str, Any],
    key: str,
    problem: str,
    hashes: Callable[[Path], dict[str, str]],
) -> None:
    before = hashes(ct_run.folder)
    with pytest.raises(OneLineExit) as caught:
        bundle.run("train+ct", output_dir=str(ct_run.folder), resume=True, **{**ct_training, **ids})
    assert caught.value.error.key == key
    assert problem in str(caught.value)
    assert caught.value.error.remedy.endswith(", or set resume False")
    after = hashes(ct_run.folder)
    assert {name for name in before if before[name] != after[name]} <= {"preflight.json", "datalist.json"}
    assert set(after) == set(before)


def test_resuming_from_a_broken_checkpoint_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "checkpoint_last.pt").write_bytes(b"no checkpoint")
    with pytest.raises(
        OneLineExit, match=r"resume='.*checkpoint_last.pt': cannot be read.*; set resume False to start anew$"
    ):
        bundle.run("train+ct", output_dir=str(tmp_path), resume=True, **ct_training)
