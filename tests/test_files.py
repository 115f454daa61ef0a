"""Files are complete or absent, with a new file's permissions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_samadapt.files import atomic_path


def test_permissions_are_those_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as temporary:
            temporary.touch(mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("old")
    with pytest.raises(KeyError), atomic_path(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("half")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]
    assert (tmp_path / "a.nii.gz").read_text() == "old"
