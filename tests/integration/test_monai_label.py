"""A real MONAI Label server on loopback with a bundle of each method: annotate, train, segment again; and misuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import run
from PIL import Image

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.files import sha256
from monai_samadapt.packing import pack_base
from monai_samadapt.transforms.volumes import VolumeReader

pytest.importorskip("monailabel", reason="MONAI Label is not installed: pip install .[label]")
psutil = pytest.importorskip("psutil")
requests = pytest.importorskip("requests")
pytestmark = pytest.mark.slow

CT_LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]
BUNDLES = {
    "s_sam": ("ct", {"variant": "vit_nano", "checkpoint": "sam_vit_nano", "labels": CT_LABELS}),
    "balr_sam": ("ct", {"variant": "vit_nano", "checkpoint": "sam_vit_nano", "labels": CT_LABELS}),
    "sam2_lora": ("fundus_disc_cup", {"variant": "hiera_nano", "checkpoint": "sam2.1_hiera_nano"}),
}
NAMES = {"s_sam", "s_sam_deepgrow", "balr_sam", "sam2_lora", "sam2_lora_deepgrow"}
CT, FUNDUS = "ct_004", "fundus_004"


@dataclass(frozen=True)
class Server:
    """A running server and the files it serves."""

    url: str
    root: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}{path}", timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = requests.post(f"{self.url}{path}", json=body or {}, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, model: str, image: str, output: str = "image", files: Any = None, **params: Any) -> Any:
        query = f"{self.url}/infer/{model}?image={image}&output={output}"
        return requests.post(query, data={"params": json.dumps(params)}, files=files, timeout=120)

    def infer(self, model: str, image: str, path: Path, **params: Any) -> np.ndarray:
        """The label map of an image, of which ``path`` becomes the file."""
        answer = self.ask(model, image, **params)
        assert answer.status_code == 200, answer.text
        path.write_bytes(answer.content)
        return load(path)

    def submit(self, image: str, label: Path, tag: str = "final") -> Any:
        with label.open("rb") as stream:
            query = f"{self.url}/datastore/label?image={image}&tag={tag}"
            return requests.put(query, files={"label": (label.name, stream)}, timeout=60)

    def wait(self, path: str) -> dict[str, Any]:
        """The last task of a kind, when it has ended."""
        for _ in range(2400):
            task: dict[str, Any] = self.get(path)
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                return task
            time.sleep(0.5)
        raise AssertionError(f"{path} did not end: {task}")


def load(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return np.asarray(Image.open(path))
    if path.suffix == ".nrrd":
        return VolumeReader().label(str(path))[0].numpy()
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Bundles with the embedded bases at 64 px; volumes with differing axes and pictures of odd size."""
    root = tmp_path_factory.mktemp("label")
    write_demo_dataset(root / "ct", "ct", 5, 0, (48, 40, 12), (6.0, 6.0, 8.0))
    write_demo_dataset(root / "fundus", "fundus", 5, 0, size=(49, 63))
    (root / "studies").mkdir()
    for path in [*(root / "ct/images").iterdir(), *(root / "fundus/images").iterdir()]:
        (root / "studies" / path.name).write_bytes(path.read_bytes())
    for name, (overlay, ids) in BUNDLES.items():
        settings = {**ids, "image_size": 64, "num_workers": 0, "learning_rate": 1e-3}
        pack_base(find_bundle(name), [overlay], root / "bundles" / name, settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "monai_samadapt.cli", "serve", "--port", str(port), "--app", str(root / "app")]
    command += ["--studies", str(root / "studies"), "--bundle", *(str(root / "bundles" / name) for name in BUNDLES)]
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd="/")
    found = Server(f"http://127.0.0.1:{port}", root, process)
    try:
        _wait_for(found)
        yield found
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(server: Server) -> None:
    for _ in range(1200):  # a busy machine takes minutes
        assert server.process.poll() is None, (server.root / "server.log").read_text()[-3000:]
        try:
            requests.get(f"{server.url}/info/", timeout=30)
            return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise AssertionError("the server did not start")


def native(server: Server, method: str, image: Path, output: Path) -> np.ndarray:
    """What ``monai.bundle run`` writes for an image."""
    bundle = server.root / "bundles" / method
    ids = {"dataset_dir": str(image), "output_dir": str(output), "device": "cpu", "logging_file": False}
    run(config_file=str(bundle / "configs/inference.json"), bundle_root=str(bundle), **ids)
    found = {path.name: load(path) for path in output.iterdir()}
    if len(found) == 1:
        return next(iter(found.values()))
    disc, cup = (found[f"{FUNDUS}_seg_{label}.png"] > 0 for label in ("Disc", "Cup"))
    return np.where(cup, 2, disc).astype(np.uint8)


def datastore(server: Server) -> dict[str, str]:
    """The SHA-256 of all images and labels."""
    folder = server.root / "studies"
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "datastore_v2.json")]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def test_info_names_models_kinds_and_labels(server: Server) -> None:
    info = server.get("/info/")
    assert set(info["models"]) == NAMES
    assert {name: model["type"] for name, model in info["models"].items()} == {
        name: "deepgrow" if "deepgrow" in name else "segmentation" for name in NAMES
    }
    assert [info["models"][name]["dimension"] for name in ("s_sam", "balr_sam", "sam2_lora")] == [3, 3, 2]
    assert info["models"]["s_sam"]["labels"] == {"liver": 1, "spleen": 2, "kidneys": 3, "lesion": 4}
    assert info["models"]["sam2_lora"]["labels"] == {"disc": 1, "cup": 2}
    assert set(info["trainers"]) == set(BUNDLES)
    assert set(info["strategies"]) == {"random", "first", "entropy"}
    assert info["datastore"]["total"] == 10


def test_results_are_those_of_the_command_on_every_voxel(server: Server, tmp_path: Path) -> None:
    source = nib.load(server.root / "studies" / f"{CT}.nii.gz")
    for method in ("s_sam", "balr_sam"):
        served = server.infer(method, CT, tmp_path / f"{method}.nii.gz")
        expected = native(server, method, server.root / "studies" / f"{CT}.nii.gz", tmp_path / method)
        assert served.dtype == np.uint8 and np.array_equal(served, expected)
        np.testing.assert_allclose(nib.load(tmp_path / f"{method}.nii.gz").affine, source.affine, atol=1e-4)
        assert np.array_equal(server.infer(method, CT, tmp_path / "a.nrrd", result_extension=".nrrd"), expected)
    served = server.infer("sam2_lora", FUNDUS, tmp_path / "a.png")
    expected = native(server, "sam2_lora", server.root / "studies" / f"{FUNDUS}.png", tmp_path / "fundus")
    assert served.shape == (49, 63) and served.dtype == np.uint8 and np.array_equal(served, expected)
    with (server.root / "studies" / f"{FUNDUS}.png").open("rb") as stream:
        uploaded = server.ask("sam2_lora", "", files={"file": ("upload.png", stream)})
    (tmp_path / "b.png").write_bytes(uploaded.content)
    assert np.array_equal(load(tmp_path / "b.png"), expected)


def test_clicks_segment_their_label_on_their_slice_and_encode_once(server: Server, tmp_path: Path) -> None:
    truth = np.asarray(nib.load(server.root / "ct/labels" / f"{CT}.nii.gz").dataobj)
    voxel = [int(index) for index in np.argwhere(truth == 1)[len(np.argwhere(truth == 1)) // 2]]
    axis = "ISAPLR".index(_slice_axis(server))  # the axis of the file that is stacked
    params = {"label": "liver", "foreground": [voxel]}
    first = server.ask("s_sam_deepgrow", CT, "json", **params).json()
    second = server.ask("s_sam_deepgrow", CT, "json", **params, background=[_beside(voxel, axis, truth)]).json()
    assert (first["encoded"], second["encoded"]) == (1, 0)
    assert first["label_names"] == {"liver": 1, "spleen": 2, "kidneys": 3, "lesion": 4}
    found = server.infer("s_sam_deepgrow", CT, tmp_path / "a.nii.gz", **params)
    assert found.shape == truth.shape and set(np.unique(found)) <= {0, 1}
    assert set(np.argwhere(found)[:, axis]) <= {voxel[axis]}
    box = server.infer("sam2_lora_deepgrow", FUNDUS, tmp_path / "a.png", label="cup", roi=[15, 10, 45, 35])
    click = server.infer("sam2_lora_deepgrow", FUNDUS, tmp_path / "b.png", label="cup", foreground=[[30, 24]])
    assert set(np.unique(box)) <= {0, 2} and set(np.unique(click)) <= {0, 2}
    assert box.any() and not np.array_equal(box, click)
    assert server.ask("sam2_lora_deepgrow", FUNDUS, "json", label="disc", foreground=[[1, 1]]).json()["encoded"] == 0


def _slice_axis(server: Server) -> str:
    codes = nib.aff2axcodes(nib.load(server.root / "studies" / f"{CT}.nii.gz").affine)
    place = next(index for index, code in enumerate(codes) if code in "IS")
    return "ISAPLR"[place]


def _beside(voxel: list[int], axis: int, truth: np.ndarray) -> list[int]:
    return [index if number == axis else truth.shape[number] - 1 for number, index in enumerate(voxel)]


def test_pages_of_other_sites_may_not_talk_to_the_server(server: Server) -> None:
    answers = {}
    for origin in ("https://elsewhere.example", server.url):
        asked = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
        answers[origin] = requests.options(f"{server.url}/datastore/label", headers=asked, timeout=60)
    assert [answer.status_code for answer in answers.values()] == [400, 200]
    assert [answer.headers.get("access-control-allow-origin") for answer in answers.values()] == [None, server.url]


def test_misuse_is_answered_with_its_cause_and_changes_nothing(server: Server, tmp_path: Path) -> None:
    before = datastore(server)
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"no volume")
    other = tmp_path / "other.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), other)
    upload = {"file": ("bad.nii.gz", b"no volume")}
    image = f"{server.url}/datastore/image"
    answers = [
        (server.ask("s_sam", "nope"), 404, "image='nope': no such image"),
        (server.ask("nope", CT), 404, "model='nope': unknown"),
        (server.ask("s_sam", "", files=upload), 422, "is not a gzip file"),
        (server.ask("s_sam", FUNDUS), 422, "lies in 2 dimensions"),
        (server.ask("s_sam_deepgrow", CT, foreground=[[5, 5, 5]]), 422, "label=None: is no label"),
        (server.ask("s_sam_deepgrow", CT, label="Liver", foreground=[[5, 5, 500]]), 422, "lies outside the image"),
        (server.ask("balr_sam", CT, label="Liver", foreground=[[5, 5, 5]]), 422, "takes no prompts"),
        (server.submit(CT, bad), 422, "is not a gzip file"),
        (server.submit(CT, other), 422, "has shape (4, 4, 4), its image"),
        (server.submit("nope", other), 404, "image='nope': no such image"),
        (requests.put(f"{image}?image=new", files=upload, timeout=60), 422, "is not a gzip file"),
        (server.submit(CT, other, "../../out"), 422, "tag='../../out': is no plain name"),
        (requests.put(f"{image}?image=../new", files=upload, timeout=60), 422, "is no plain name"),
    ]
    for answer, status, cause in answers:
        assert (answer.status_code, cause in answer.json()["detail"]) == (status, True), answer.text
    assert datastore(server) == before


def test_a_request_without_prompts_segments_all_labels(server: Server, tmp_path: Path) -> None:
    asked = server.infer("s_sam_deepgrow", CT, tmp_path / "a.nii.gz", foreground=[], background=[], label="liver")
    assert np.array_equal(asked, server.infer("s_sam", CT, tmp_path / "b.nii.gz"))


def test_ten_clients_at_once_get_the_results_of_one(server: Server, tmp_path: Path) -> None:
    alone = {name: server.infer(name, image, tmp_path / f"{name}{end}") for name, image, end in _MODELS}

    def one(index: int) -> bool:
        name, image, end = _MODELS[index % 2]
        return np.array_equal(server.infer(name, image, tmp_path / f"{index}{end}"), alone[name])

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(one, range(10)))


_MODELS = [("s_sam", CT, ".nii.gz"), ("sam2_lora", FUNDUS, ".png")]


@pytest.mark.parametrize(("model", "image", "end"), _MODELS)
def test_training_on_submitted_labels_changes_the_answers(
    server: Server, tmp_path: Path, model: str, image: str, end: str
) -> None:
    before = server.infer(model, image, tmp_path / f"before{end}")
    logged = len(_runs(server))
    submit_four(server, image, end)
    weights = server.root / "bundles" / model / "models/model.pt"
    stamp = sha256(weights)
    server.post(f"/train/{model}", {"max_epochs": 20, "val_split": 0.25})
    task = server.wait("/train/")
    assert task["status"] == "DONE", task["details"]
    assert sha256(weights) != stamp
    after = server.infer(model, image, tmp_path / f"after{end}")
    assert after.shape == before.shape and not np.array_equal(after, before)
    assert np.array_equal(after, native(server, model, server.root / "studies" / f"{image}{end}", tmp_path / "native"))
    assert len(_runs(server)) == logged + 1 and _runs(server)[-1] == (model, "FINISHED")


def submit_four(server: Server, image: str, end: str) -> None:
    """Submit the true labels of the four other cases of a kind."""
    for number in range(4):
        case = f"{image[:-3]}{number:03d}"
        assert server.submit(case, server.root / image[:-4] / "labels" / f"{case}{end}").status_code == 200


def _runs(server: Server) -> list[tuple[str, str]]:
    """Experiment and state of each run in the server's MLflow."""
    path = server.root / "app" / "mlflow.db"
    if not path.exists():
        return []
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{path}")
    experiments = {one.experiment_id: one.name for one in client.search_experiments()}
    runs = client.search_runs(list(experiments), order_by=["attributes.start_time ASC"])
    return [(experiments[one.info.experiment_id], one.info.status) for one in runs]


def test_a_killed_training_leaves_weights_labels_and_server(server: Server) -> None:
    submit_four(server, CT, ".nii.gz")
    weights, labels = sha256(server.root / "bundles/s_sam/models/model.pt"), datastore(server)
    server.post("/train/s_sam", {"max_epochs": 500})
    for _ in range(2400):
        task = server.get("/train/")
        if any(line.startswith("epoch 2/500") for line in task.get("details", [])):
            break
        assert task["status"] in ("SUBMITTED", "RUNNING"), task["details"]
        time.sleep(0.25)
    (child,) = psutil.Process(server.process.pid).children()
    os.kill(child.pid, signal.SIGKILL)
    assert server.wait("/train/")["status"] == "ERROR"
    assert sha256(server.root / "bundles/s_sam/models/model.pt") == weights and datastore(server) == labels
    assert server.ask("s_sam", CT).status_code == 200


def test_batches_and_entropy_reach_all_images_without_label(server: Server, tmp_path: Path) -> None:
    unlabelled = server.post("/activelearning/entropy", {"model": "s_sam"})
    assert unlabelled["id"] == CT
    server.post("/batch/infer/s_sam?images=unlabeled")
    assert server.wait("/batch/infer")["status"] == "DONE"
    stored = load(server.root / "studies/labels/original" / f"{CT}.nii.gz")
    assert np.array_equal(stored, server.infer("s_sam", CT, tmp_path / "a.nii.gz"))
    assert server.wait("/scoring/")["status"] == "DONE"
    best = server.post("/activelearning/entropy", {"model": "s_sam"})
    assert best["id"] == CT and 0 < best["weight"] < 1
    assert server.post("/activelearning/random")["id"] in (CT, FUNDUS)
