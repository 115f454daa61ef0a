"""Our app for packed bundles, called as the server calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fastapi import HTTPException
from mlflow import MlflowClient
from monailabel.utils.async_tasks.task import AsyncTask

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.datasets.procedural import make_ct
from monai_samadapt.datasets.procedural.files import write_ct
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.label_server.folder import prepare_app
from monai_samadapt.packing import pack_base
from monai_samadapt.transforms.volumes import VolumeReader

SHAPE, SPACING = (44, 36, 10), (5.5, 7.0, 9.0)
NANO = {"variant": "vit_nano", "checkpoint": "sam_vit_nano", "labels": ["Liver", "Spleen"], "image_size": 64}
CASES = [f"case{number}" for number in range(6)]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """S-SAM, with and without clicks, and six volumes without label."""
    from monai_samadapt.label_server.app import SamAdaptApp

    root = tmp_path_factory.mktemp("own")
    pack_base(find_bundle("s_sam"), ["ct"], root / "liver", NANO)
    (served,) = prepare_app(root / "app", [root / "liver"])
    (root / "studies").mkdir()
    for seed, name in enumerate(CASES):
        hu, _, affine = make_ct(seed, SHAPE, SPACING)
        write_ct(root / "studies" / f"{name}.nii.gz", hu, affine)
    conf = {"models": ",".join(served.names), "zoo_source": "ngc", "sam2": "false"}
    made = SamAdaptApp(str(root / "app"), str(root / "studies"), conf)
    made._auto_update_scoring = False  # as `samadapt serve` has it
    return made


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
def test_a_sheared_volume_keeps_its_grid(app: Any, tmp_path: Path, extension: str) -> None:
    hu, _, affine = make_ct(3, SHAPE, SPACING)
    affine[1, 2] = 3.25  # slices 9 mm apart, each 3.25 mm further
    nib.save(nib.Nifti1Image(hu, affine), tmp_path / "a.nii.gz")
    request = {"model": "liver", "image": str(tmp_path / "a.nii.gz"), "result_extension": extension}
    found = VolumeReader().label(app.infer(request)["file"])
    assert found.shape == (1, *SHAPE)
    np.testing.assert_allclose(found.affine.numpy(), affine, atol=1e-4)


def test_a_batch_by_several_threads_gives_the_results_of_one(app: Any) -> None:
    request = {"model": "liver", "device": "cpu", "multi_gpu": False}
    results = app.batch_infer({**request, "images": "all", "max_workers": 6})
    assert [name for name, result in results.items() if not result.get("label")] == []
    store = app.datastore()
    for name in CASES:
        stored = np.asarray(nib.load(store.get_label_uri(name, "original")).dataobj)
        alone = app.infer({**request, "image": name})["file"]
        np.testing.assert_array_equal(stored, np.asarray(nib.load(alone).dataobj))


def test_a_training_not_from_the_weights_is_refused_and_not_offered(app: Any) -> None:
    assert "pretrained" not in app.info()["trainers"]["liver"]["config"]
    assert app.info()["trainers"]["liver"]["config"]["max_epochs"] == 50
    with pytest.raises(SamAdaptError) as raised:
        app.train({"model": "liver", "pretrained": False, "device": "cpu"})
    assert str(raised.value) == (
        "pretrained=False: a packed bundle goes on from its own weights; "
        "leave it True; to start anew pack a base and serve it"
    )


def test_a_training_logs_the_epochs_it_was_asked_for(app: Any, tmp_path: Path) -> None:
    store, uri = app.datastore(), f"sqlite:///{tmp_path}/mlflow.db"
    for seed in range(2):
        _, label, affine = make_ct(seed, SHAPE, SPACING)
        path = write_ct(tmp_path / f"label{seed}.nii.gz", np.where(label > 2, 0, label).astype(np.uint8), affine)
        store.save_label(CASES[seed], str(path), "final", {})
    request = {"model": "liver", "max_epochs": 2, "val_split": 0.5, "device": "cpu", "tracking_uri": uri}
    app.train(request)
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("liver").experiment_id])
    assert (run.info.status, run.data.params["max_epochs"]) == ("FINISHED", "2")


def refused(call: Any, *arguments: Any) -> tuple[int, str]:
    """Status and text of what a call is refused with."""
    with pytest.raises(HTTPException) as raised:
        call(*arguments)
    return raised.value.status_code, str(raised.value.detail)


def test_unknown_models_and_images_are_named(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(AsyncTask, "run", lambda *arguments, **options: started.append(options["request"]))
    app.server_mode(True)
    unknown = (404, "model='lung': unknown; give one of ['liver']")
    assert refused(app.next_sample, {"strategy": "entropy", "model": "lung"}) == unknown and started == []
    assert refused(app.scoring, {"method": "entropy", "model": "lung"}) == unknown
    assert app.next_sample({"strategy": "entropy", "model": "liver_deepgrow"})["id"] in CASES
    assert started == [{"method": "entropy", "model": "liver"}]
    batch = {"device": "cpu", "multi_gpu": False, "images": ["case0", "nope"]}
    known = (404, "model='lung': unknown; give one of ['liver', 'liver_deepgrow']")
    assert refused(app.batch_infer, {**batch, "model": "lung"}) == known
    assert refused(app.infer, {"model": "lung", "image": "case0"}) == known
    missing = (404, "image='nope': no such image; GET /datastore/?output=all lists them")
    assert refused(app.batch_infer, {**batch, "model": "liver"}) == missing
    assert refused(app.infer, {"model": "liver", "image": "nope"}) == missing
