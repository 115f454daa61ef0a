"""Packed bundles in the app that comes with MONAI Label, without any code of ours but the package."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import run
from monailabel.utils.others.class_utils import get_class_of_subclass_from_file
from PIL import Image

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.datasets.procedural import make_ct
from monai_samadapt.datasets.procedural.files import write_ct
from monai_samadapt.files import sha256
from monai_samadapt.label_server.folder import prepare_app
from monai_samadapt.packing import pack_base

SHAPE, SPACING = (44, 36, 10), (5.5, 7.0, 9.0)
BUNDLES = {
    "s_sam": ("ct", {"variant": "vit_nano", "checkpoint": "sam_vit_nano", "labels": ["Liver", "Spleen"]}),
    "balr_sam": ("ct", {"variant": "vit_nano", "checkpoint": "sam_vit_nano", "labels": ["Liver", "Spleen"]}),
    "sam2_lora": ("fundus_vessel", {"variant": "hiera_nano", "checkpoint": "sam2.1_hiera_nano"}),
}


def sample_app() -> Path:
    """Where pip, or uv, has put the app."""
    site = Path(str(distribution("monailabel").locate_file("")))
    places = [Path(sys.prefix), *site.glob("monailabel-*.data/data")]
    found = [place / "monailabel/sample-apps/monaibundle" for place in places]
    return next((path for path in found if path.is_dir()), None) or pytest.skip(f"no monaibundle app in {places}")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundles")
    for name, (overlay, ids) in BUNDLES.items():
        pack_base(find_bundle(name), [overlay], root / name, {**ids, "image_size": 64})
    return root


@pytest.fixture(scope="module")
def app(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("stock")
    shutil.copytree(sample_app(), root / "app")
    served = prepare_app(root / "app", [bundles / name for name in BUNDLES])
    (root / "studies").mkdir()
    conf = {"models": ",".join(name for one in served for name in one.names), "zoo_source": "ngc", "sam2": "false"}
    kind = get_class_of_subclass_from_file("main", str(root / "app/main.py"), "MONAILabelApp")
    assert kind.__name__ == "MyApp"
    return kind(str(root / "app"), str(root / "studies"), conf)


def served(app: Any, model: str, image: Path, **params: Any) -> Path:
    return Path(app.infer({"model": model, "image": str(image), **params})["file"])


def native(bundle: Path, image: Path, output: Path) -> Path:
    ids = {"dataset_dir": str(image), "output_dir": str(output), "device": "cpu", "logging_file": False}
    run(config_file=str(bundle / "configs/inference.json"), bundle_root=str(bundle), **ids)
    return next(output.iterdir())


@pytest.mark.parametrize("method", ["s_sam", "balr_sam"])
def test_an_oblique_lps_volume(app: Any, bundles: Path, tmp_path: Path, method: str) -> None:
    hu, _, affine = make_ct(3, SHAPE, SPACING, axcodes="LPS", oblique_degrees=17.0)
    write_ct(tmp_path / "a.nii.gz", hu, affine)
    found = nib.load(served(app, method, tmp_path / "a.nii.gz"))
    expected = nib.load(native(bundles / method, tmp_path / "a.nii.gz", tmp_path / "out"))
    assert found.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(found.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_allclose(found.affine, affine, atol=1e-4)
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)


def test_a_photograph_of_odd_size(app: Any, bundles: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(60, 255, (51, 67, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    found = Image.open(served(app, "sam2_lora", tmp_path / "a.jpg"))
    expected = Image.open(native(bundles / "sam2_lora", tmp_path / "a.jpg", tmp_path / "out"))
    assert (found.format, found.mode, found.size) == ("PNG", "L", (67, 51))
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_a_click(app: Any, tmp_path: Path) -> None:
    hu, _, affine = make_ct(3, SHAPE, SPACING, axcodes="LPS", oblique_degrees=17.0)
    write_ct(tmp_path / "a.nii.gz", hu, affine)
    path = served(app, "s_sam_deepgrow", tmp_path / "a.nii.gz", label="spleen", foreground=[[30, 12, 6]])
    found = np.asarray(nib.load(path).dataobj)
    assert found.shape == SHAPE and set(np.unique(found)) <= {0, 2}
    assert set(np.argwhere(found)[:, 2]) <= {6}


def test_a_dicom_series(app: Any, bundles: Path, tmp_path: Path) -> None:
    """A session's folder, or what MONAI Label fetches from a DICOMweb server."""
    hu, _, affine = make_ct(3, SHAPE, SPACING)
    write_ct(tmp_path / "series", hu, affine)
    found = nib.load(served(app, "s_sam", tmp_path / "series"))
    expected = nib.load(native(bundles / "s_sam", tmp_path / "series", tmp_path / "out"))
    assert found.shape == SHAPE and found.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(found.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)


def test_training_on_submitted_labels_and_a_batch_by_the_new_weights(app: Any, bundles: Path, tmp_path: Path) -> None:
    store, weights = app.datastore(), bundles / "balr_sam" / "models" / "model.pt"
    for seed in range(3):
        hu, label, affine = make_ct(seed, SHAPE, SPACING)
        store.add_image(f"case{seed}", str(write_ct(tmp_path / f"case{seed}.nii.gz", hu, affine)), {})
        path = write_ct(tmp_path / f"label{seed}.nii.gz", np.where(label > 2, 0, label).astype(np.uint8), affine)
        if seed < 2:
            store.save_label(f"case{seed}", str(path), "final", {})
    image = Path(store.get_image_uri("case2"))
    before, first = sha256(weights), np.asarray(nib.load(served(app, "balr_sam", image)).dataobj)
    request = {"model": "balr_sam", "max_epochs": 3, "val_split": 0.5, "device": "cpu", "tracking": "None"}
    app.train(request)
    assert sha256(weights) != before
    second = np.asarray(nib.load(served(app, "balr_sam", image)).dataobj)
    assert not np.array_equal(first, second)
    assert np.array_equal(second, np.asarray(nib.load(native(bundles / "balr_sam", image, tmp_path / "out")).dataobj))
    app.batch_infer({"model": "balr_sam", "images": "unlabeled", "device": "cpu", "multi_gpu": False})
    batch = np.asarray(nib.load(store.get_label_uri("case2", "original")).dataobj)
    assert np.array_equal(batch, second) and not store.get_label_uri("case0", "original")
