"""Two trainings do not write into one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from monai_samadapt.engines.lock import give_back, take
from monai_samadapt.errors import SamAdaptError


def test_a_folder_is_taken_once_and_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with FileLock(tmp_path / ".lock"), pytest.raises(SamAdaptError, match="another training is writing there; wait"):
        take(tmp_path)
    take(folder)
    take(folder)  # the same process may
    with pytest.raises(Timeout):
        FileLock(folder / ".lock").acquire(timeout=0)
    give_back()
    assert list(folder.iterdir()) == []
    take(folder)
    give_back()
