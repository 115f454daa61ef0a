"""The model on volumes, without a server: the same file as the bundle's inference, on the source grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from monai_samadapt import cli
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.tracking.model import SegmentationModel, image_paths

LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]


def test_volume_is_segmented_as_by_the_bundle(run_bundle: Callable[..., Any], tmp_path: Path) -> None:
    data = write_demo_dataset(tmp_path / "ct", "ct", 5, 0, (48, 40, 12), (6.0, 6.0, 8.0)).parent
    ids = {"dataset_dir": str(data), "labels": LABELS}
    run = {"output_dir": str(tmp_path / "run"), "tracking_uri": "off", "max_epochs": 1}
    run_bundle("s_sam", "train+ct", **ids, **run)
    predict = {"model_file": str(tmp_path / "run" / "model.pt"), "output_dir": str(tmp_path / "maps")}
    run_bundle("s_sam", "inference+ct", **ids, **predict)
    expected = nib.load(next((tmp_path / "maps").rglob("*_seg.nii.gz")))
    name = next((tmp_path / "maps").rglob("*_seg.nii.gz")).name.replace("_seg.nii.gz", ".nii.gz")
    model = SegmentationModel(tmp_path / "run")
    source = next((data / "images").glob(name))
    found = model.predict([source], {"output_dir": str(tmp_path / "written")})
    written = nib.load(next((tmp_path / "written").iterdir()))
    assert len(np.unique(found[0])) > 1
    np.testing.assert_array_equal(found[0], np.asarray(expected.dataobj))
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_array_equal(written.affine, nib.load(source).affine)


def test_paths_are_taken_from_all_that_a_model_is_asked_with() -> None:
    for asked in ("a", ["a"], {"image": "a"}, [{"image": "a"}], pd.DataFrame({"n": [1], "image": ["a"]})):
        assert image_paths(asked) == ["a"]
    assert image_paths([Path("a"), {"image": ["b", "c"]}]) == ["a", "b", "c"]
    with pytest.raises(SamAdaptError, match=r"image=\['file'\]: no such column"):
        image_paths(pd.DataFrame({"file": ["a"]}))


def test_register_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["register", str(tmp_path), "--name", "x"]) == 1
    assert capsys.readouterr().err.startswith(f"output_dir='{tmp_path}': holds no adapter.json; ")
    (tmp_path / "adapter.json").write_text('{"method": "s_sam"}')
    assert cli.main(["register", str(tmp_path), "--name", "x"]) == 1
    assert "holds no model.pt" in capsys.readouterr().err
    (tmp_path / "model.pt").touch()
    assert cli.main(["register", str(tmp_path), "--name", "x", "--tracking-uri", "off"]) == 1
    assert "there is nowhere to register a model" in capsys.readouterr().err
