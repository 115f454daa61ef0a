"""The configs of the bundle: their ids, their overlays, MONAI's required properties and what a missing key says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from monai_samadapt.engines.memory import BundleStep

BASES = ("train", "evaluate", "inference", "metadata")
OVERRIDES = (
    *("dataset_dir", "datalist", "output_dir", "checkpoint", "variant", "image_size", "labels", "rank", "batch_size"),
    *("max_epochs", "learning_rate", "amp", "amp_dtype", "device", "cache_rate", "seed", "activation_checkpointing"),
    *("compile", "resume"),
)
SHARED = (
    *("variant", "image_size", "modality", "labels", "overlapping", "window", "spacing", "neighbours", "seed"),
    *("channels", "crop", "nested"),
)
CT_LABELS = ["Liver", "Spleen", "Kidneys", "Lesion"]
WORKFLOWS = [("train", "train"), ("train+evaluate", "train"), ("inference", "infer")]
# Overlays of training alone, and of several processes, which name engines, fit one base only.
TRAINING_OVERLAYS = ("multi_gpu", "low_memory")


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def train(bundle: Any) -> dict[str, Any]:
    return read(bundle.root / "configs" / "train.json")


@pytest.fixture
def inference(bundle: Any) -> dict[str, Any]:
    return read(bundle.root / "configs" / "inference.json")


def test_files_of_a_bundle_are_there(bundle: Any) -> None:
    for name in ("LICENSE", "docs/README.md", "docs/data_license.txt", "models/README.md", "configs/logging.conf"):
        assert (bundle.root / name).exists(), name


def test_ids_to_override_stand_at_the_top_of_train(train: dict[str, Any]) -> None:
    assert set(OVERRIDES) <= set(train)


def test_configs_begin_with_the_same_settings(train: dict[str, Any], inference: dict[str, Any]) -> None:
    assert {key: train[key] for key in SHARED} == {key: inference[key] for key in SHARED}
    assert train["label_embeddings"] == inference["label_embeddings"]
    assert inference["checkpoint"] is None  # the weights are those of model_file


def test_displayable_configs_stand_in_inference_only(train: dict[str, Any], inference: dict[str, Any]) -> None:
    assert "displayable_configs" in inference
    assert "displayable_configs" not in train


def test_overlays_set_ids_that_every_config_declares(
    bundle: Any, train: dict[str, Any], inference: dict[str, Any]
) -> None:
    overlays = [path for path in (bundle.root / "configs").glob("*.json") if path.stem not in BASES]
    overlays = [path for path in overlays if not path.stem.startswith(TRAINING_OVERLAYS)]
    overlay_names = {"ct", "mri", "image2d", "fundus_vessel", "fundus_disc", "fundus_disc_cup"}
    assert overlay_names <= {path.stem for path in overlays}
    for path in overlays:
        keys = set(read(path))
        assert not {key for key in keys if "::" in key or "#" in key}, path.name
        assert keys <= set(train) & set(inference), path.name


def test_low_memory_sets_ids_of_train(bundle: Any, train: dict[str, Any]) -> None:
    content = read(bundle.root / "configs" / "low_memory.json")
    assert set(content) <= set(train)
    assert content["batch_size"] * content["accumulation_steps"] == train["batch_size"]  # the same images to an update


@pytest.mark.parametrize("overlay", ["", "+ct"])
@pytest.mark.parametrize(("configs", "kind"), WORKFLOWS)
def test_no_property_of_a_workflow_is_missing(
    bundle: Any, ct_data: Path, picture_data: Path, configs: str, kind: str, overlay: str
) -> None:
    data, labels = (ct_data, CT_LABELS) if overlay else (picture_data, {"Rim": 1, "Cup": 2})
    workflow = bundle.workflow(configs + overlay, kind, dataset_dir=str(data), labels=labels, checkpoint="random")
    assert workflow.check_properties() == []
    assert workflow.network_def.weights_loaded
    assert workflow.network_def.variant == "vit_nano"


@pytest.mark.parametrize(("configs", "extension"), [("inference+ct", ".nii.gz"), ("inference+image2d", ".png")])
def test_result_extension_is_told(bundle: Any, configs: str, extension: str) -> None:
    workflow = bundle.workflow(configs, "infer")
    assert workflow.parser.get_parsed_content("displayable_configs") == {"result_extension": extension}


def test_ids_reach_what_they_set(bundle: Any, ct_data: Path, tmp_path: Path) -> None:
    ids = {"cache_rate": 0.67, "batch_size": 8, "samples_per_volume": 4, "max_epochs": 7, "learning_rate": 0.02}
    ids |= {"activation_checkpointing": True, "seed": 5, "val_interval": 3, "early_stop_patience": 9, "slice_batch": 6}
    ids |= {"dataset_dir": str(ct_data), "labels": CT_LABELS, "checkpoint": "random", "output_dir": str(tmp_path)}
    workflow = bundle.workflow("train+ct", **ids)
    network, trainer, run = workflow.network_def, workflow.trainer, workflow.train_handlers[-1]
    assert network.sam.image_encoder.activation_checkpointing
    assert network.settings["seed"] == network.sam.base_weights.seed == run.seed == 5
    assert workflow.train_dataset.cache_num == 2  # of 3
    assert trainer.data_loader.batch_size == 2  # volumes, each of 4 samples
    assert trainer.state.max_epochs == 7
    assert {group["initial_lr"] for group in run.optimizer.param_groups} == {0.02}
    assert workflow.train_handlers[1].interval == 3
    assert (run.patience, run.resume, workflow.val_inferer.slice_batch) == (9, False, 6)


@pytest.mark.parametrize(("batch", "samples", "images"), [(3, 8, 3), (8, 3, 6), (4, 4, 4)])
def test_a_step_has_at_most_batch_size_slices(
    bundle: Any, ct_data: Path, batch: int, samples: int, images: int
) -> None:
    ids = {"dataset_dir": str(ct_data), "labels": CT_LABELS, "checkpoint": "random"}
    workflow = bundle.workflow("train+ct", batch_size=batch, samples_per_volume=samples, **ids)
    first = next(iter(workflow.trainer.data_loader))
    assert len(first["image"]) == images == BundleStep(dict(workflow.parser.get())).images


def without(bundle: Any, folder: Path, config: str, key: str) -> Any:
    """A copy of the bundle whose ``config`` lacks ``key``, with ``::`` between levels."""
    shutil.copytree(bundle.root / "configs", folder / "configs")
    path = folder / "configs" / f"{config}.json"
    content = read(path)
    *parents, last = key.split("::")
    section = content
    for parent in parents:
        section = section[parent]
    del section[last]
    path.write_text(json.dumps(content), encoding="utf-8")
    return type(bundle)(folder)


@pytest.mark.parametrize("config", ["train", "inference"])
@pytest.mark.parametrize("key", ["dataset_dir", "labels", "variant", "modality", "output_dir", "device"])
def test_run_without_a_required_key_names_it_in_one_line(
    bundle: Any, ct_data: Path, tmp_path: Path, config: str, key: str
) -> None:
    broken = without(bundle, tmp_path, config, key)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.pt").touch()
    with pytest.raises((ValueError, RuntimeError), match=rf"`@?{key}`") as caught:
        broken.run(config, **{"dataset_dir": str(ct_data), key: None})  # None overrides nothing
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("key", "kind"), [("train::trainer::max_epochs", "train"), ("inferer", "infer")])
def test_property_check_names_a_deleted_key(bundle: Any, tmp_path: Path, key: str, kind: str) -> None:
    config = "train" if kind == "train" else "inference"
    workflow = without(bundle, tmp_path, config, key).workflow(config, kind, checkpoint="random")
    workflow.properties = {name: item for name, item in workflow.properties.items() if item["id"] == key}
    with pytest.raises(KeyError, match=f"config ID '{key}' not in the config"):
        workflow.check_properties()


def readme_commands(bundle: Any) -> list[str]:
    text = (bundle.root / "docs" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash|sh|shell)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if "monai.bundle run" in line]


def test_commands_of_the_readme_name_configs_and_ids_that_exist(bundle: Any) -> None:
    commands = readme_commands(bundle)
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command)
        files = [Path(name).stem for name in re.findall(r"[\w/.{}$]+\.json", words[words.index("--config_file") + 1])]
        assert files, command
        known = {key for name in files for key in read(bundle.root / "configs" / f"{name}.json")}
        ids = {word[2:].split("=")[0] for word in words if word.startswith("--")} - {"config_file", "meta_file"}
        assert ids <= known | {"tracking"}, f"{sorted(ids - known)} in {command}"
