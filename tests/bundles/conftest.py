"""A bundle run in this process, small data sets, and one trained run of each modality that all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow, run

from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.errors import OneLineExit, SamAdaptError
from monai_samadapt.files import sha256

ROOT = Path(__file__).resolve().parents[2] / "bundles" / "s_sam"
SMALL = {"variant": "vit_nano", "image_size": 64, "device": "cpu", "logging_file": False, "tracking_uri": "off"}
CT_LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]
PICTURE_LABELS = {"Rim": 1, "Cup": 2}
TRAINING = {"checkpoint": "random", "val_interval": 1, "learning_rate": 1e-3, "num_workers": 0}


@dataclass(frozen=True)
class Bundle:
    """A bundle folder; ``configs`` are names joined by ``+``, e.g. ``train+ct``."""

    root: Path

    def files(self, configs: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.json") for name in configs.split("+")]

    def run(self, configs: str, **ids: Any) -> None:
        """What ``python -m monai.bundle run`` does, in this process."""
        run(config_file=self.files(configs), bundle_root=str(self.root), **{**SMALL, **ids})

    def workflow(self, configs: str, kind: str = "train", **ids: Any) -> ConfigWorkflow:
        """A parsed workflow whose ``initialize`` section has not run."""
        settings = {**SMALL, "bundle_root": str(self.root), **ids}
        workflow = ConfigWorkflow(self.files(configs), workflow_type=kind, init_id="none", **settings)
        workflow.initialize()
        return workflow

    def refuse(self, configs: str, **ids: Any) -> SamAdaptError:
        """Run, and check that it ends in one line with exit status 1 before it has written or changed anything."""
        before = fingerprints(Path(ids["dataset_dir"]))
        with pytest.raises(OneLineExit) as caught:
            self.run(configs, **ids)
        error = caught.value.error
        assert caught.value.code == str(error)  # python prints such a code and exits with 1
        assert "\n" not in str(error)
        assert error.remedy
        assert not Path(ids["output_dir"]).exists()
        assert fingerprints(Path(ids["dataset_dir"])) == before
        return error


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, and the ids that it shares with evaluation and inference."""

    folder: Path
    ids: dict[str, Any]

    @property
    def model(self) -> dict[str, Any]:
        return {**self.ids, "model_file": str(self.folder / "model.pt")}


def fingerprints(folder: Path) -> dict[str, str]:
    """The SHA-256 of all files."""
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return Bundle(ROOT)


@pytest.fixture(scope="session")
def ct_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five volumes of about 48 × 40 × 12 voxels with differing axes: three to train, one to validate, one to test."""
    return write_demo_dataset(tmp_path_factory.mktemp("ct"), "ct", 5, 0, (48, 40, 12), (6.0, 6.0, 8.0)).parent


@pytest.fixture(scope="session")
def picture_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of odd size with rim (1) and cup (2)."""
    return write_demo_dataset(tmp_path_factory.mktemp("pictures"), "fundus", 5, 0, size=(49, 63)).parent


@pytest.fixture(scope="session", autouse=True)
def _fingerprints(ct_data: Path, picture_data: Path) -> dict[Path, dict[str, str]]:
    return {folder: fingerprints(folder) for folder in (ct_data, picture_data)}


@pytest.fixture(autouse=True)
def _source_data_is_never_changed(_fingerprints: dict[Path, dict[str, str]]) -> Iterator[None]:
    yield
    for folder, before in _fingerprints.items():
        assert fingerprints(folder) == before


@pytest.fixture(scope="session")
def ct_training(ct_data: Path) -> dict[str, Any]:
    """The ids of the CT training run; a run with the same ids gives the same weights."""
    return {"dataset_dir": str(ct_data), "labels": CT_LABELS, "max_epochs": 3, "samples_per_volume": 4} | TRAINING


@pytest.fixture(scope="session")
def ct_run(bundle: Bundle, ct_training: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("ct_run")
    bundle.run("train+ct", output_dir=str(folder), **ct_training)
    return Trained(folder, {key: ct_training[key] for key in ("dataset_dir", "labels")})


@pytest.fixture(scope="session")
def picture_run(bundle: Bundle, picture_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("picture_run")
    ids = {"dataset_dir": str(picture_data), "labels": PICTURE_LABELS}
    bundle.run("train+image2d", output_dir=str(folder), max_epochs=2, batch_size=2, **ids, **TRAINING)
    return Trained(folder, ids)


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    return fingerprints
