"""Checks that run before anything else and end in one line: key, value, remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.loading import read_state
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.backbones.variants import variant_of
from monai_samadapt.datasets import inference_items, load_datalist, read_split, write_split
from monai_samadapt.engines.artefacts import DESCRIPTION
from monai_samadapt.engines.memory import check_memory
from monai_samadapt.engines.optim import amp_dtype as find_amp_dtype
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.files import atomic_path
from monai_samadapt.networks.label_embeddings import label_embeddings
from monai_samadapt.transforms import DataSpec

Items = Sequence[dict[str, Any]]


@exits_in_one_line
def items(dataset_dir: str, datalist: str | None, section: str, seed: int = 0) -> list[dict[str, Any]]:
    """The items of one split; ends the run in one line when they cannot be listed."""
    _check_path("dataset_dir", dataset_dir)
    _check_path("datalist", datalist)
    if section == "inference":
        return inference_items(dataset_dir, datalist)
    return load_datalist(dataset_dir, datalist, section, seed)


@exits_in_one_line
def save_split(dataset_dir: str, datalist: str | None, output_dir: str, seed: int) -> None:
    """Write the split a run uses to ``datalist.json`` of its output folder, where it comes from ``dataset_dir``."""
    if Path(dataset_dir).exists():
        write_split(read_split(dataset_dir, datalist, seed), Path(output_dir) / "datalist.json")


@exits_in_one_line
def data_spec(**settings: Any) -> DataSpec:
    """A :class:`DataSpec`; ends the run in one line when a setting is wrong."""
    spec = DataSpec(**settings)
    for name in spec.label_spec.names:
        _check_hash("labels", name, "name it without '#'")
    return spec


@exits_in_one_line
def preflight_training(
    training: Items,
    validation: Items,
    spec: DataSpec,
    checkpoint: str,
    variant: str,
    output_dir: str,
    device: str,
    counts: Mapping[str, int],
    embeddings: str = "fixed",
    activation_checkpointing: bool = False,
    amp: bool = False,
    amp_dtype: str = "bfloat16",
    rank: int | None = None,
) -> None:
    """Check everything a training run rests on.

    Args:
        training, validation: items with ``image`` and ``label``.
        spec: how they are read.
        checkpoint, variant: base weights.
        output_dir: folder of the artefacts.
        device: device of the run.
        counts: ids that must be at least 1; ``batch_size`` are the images in one step.
        embeddings: id ``label_embeddings``.
        activation_checkpointing, amp: what lowers the memory.
        amp_dtype: id of that name.
        rank: must be None for methods without a rank.
    """
    check_device(device)
    _check_path("output_dir", output_dir)
    if rank is not None:
        raise SamAdaptError("rank", rank, "S-SAM trains singular values, it has no rank", "leave rank null")
    find_amp_dtype(amp_dtype)
    for key, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise SamAdaptError(key, value, "is no positive number", "give 1 or more")
    check_network(variant, spec.image_size)
    label_embeddings(embeddings, spec.label_spec.names)
    check_base(checkpoint, variant)
    if not training:
        raise SamAdaptError("training", [], "no cases to train on", "give dataset_dir or datalist with labelled cases")
    shared = {str(item["image"]) for item in training} & {str(item["image"]) for item in validation}
    if shared:
        raise SamAdaptError("datalist", sorted(shared)[0], "is in training and in validation", "keep splits apart")
    check_memory(variant, spec.image_size, counts["batch_size"], activation_checkpointing, amp, device)
    check_items([*training, *validation], spec, Path(output_dir) / "preflight.json")


@exits_in_one_line
def preflight_inference(
    inputs: Items, spec: DataSpec, model_file: str, variant: str, output_dir: str, device: str
) -> None:
    """Check everything inference or evaluation rests on, and that the settings are those of the training run."""
    check_device(device)
    check_network(variant, spec.image_size)
    _check_path("output_dir", output_dir)
    _check_path("model_file", model_file)
    if not Path(model_file).is_file():
        raise SamAdaptError("model_file", model_file, "no such file", "train first, or give the model.pt of a run")
    if not inputs:
        raise SamAdaptError("dataset_dir", "", "no cases found", "give a folder of images, or a datalist")
    check_settings(spec, Path(model_file).parent / DESCRIPTION)
    check_items(inputs, spec)


def check_device(device: str) -> None:
    """Refuse an unknown device, and CUDA where there is none."""
    try:
        torch.device(device)
    except RuntimeError as error:
        raise SamAdaptError("device", device, "unknown device", "give cpu, cuda or cuda:1") from error
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise SamAdaptError("device", str(device), "no CUDA device is available", "set device to cpu")


def check_network(variant: str, image_size: int) -> None:
    """Refuse an unknown variant or an image size it cannot have; on the meta device this costs next to nothing."""
    with torch.device("meta"):
        build_sam(variant, image_size, None)


def check_base(checkpoint: str, variant: str) -> None:
    """Refuse base weights of another variant before the network is built."""
    _check_path("checkpoint", checkpoint)
    path = resolve_checkpoint(checkpoint, "sam", variant).path
    if path is not None and (found := variant_of(read_state(path))) != variant:
        remedy = f"set variant to {found} or give the weights of {variant}"
        raise SamAdaptError("checkpoint", checkpoint, f"holds {found or 'no SAM'}, not {variant}", remedy)


def check_settings(spec: DataSpec, description: Path) -> None:
    """Refuse settings that differ from those the model beside ``description`` was trained with."""
    if not description.is_file():
        return
    trained = json.loads(description.read_text())["preprocessing"]
    for key, value in spec.to_dict().items():
        if key in trained and json.dumps(trained[key]) != json.dumps(
            value
        ):  # as text, since the order of labels counts
            raise SamAdaptError(key, value, f"the model was trained with {trained[key]!r}", f"pass --{key} as trained")


def check_items(cases: Items, spec: DataSpec, memory: Path | None = None) -> None:
    """Read every image and label once; files that passed before, by ``memory``, and did not change are left out."""
    passed = set(json.loads(memory.read_text())) if memory is not None and memory.is_file() else set()
    prints = {_fingerprint(item, spec): item for item in cases}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spec.check_item, [item for key, item in prints.items() if key not in passed]))
    if memory is not None:
        with atomic_path(memory) as temporary:
            temporary.write_text(json.dumps(sorted(prints)))


def _fingerprint(item: dict[str, Any], spec: DataSpec) -> str:
    paths = [Path(item[key]) for key in ("image", "label") if key in item]
    for path in paths:
        if not path.exists():
            raise SamAdaptError(
                "image" if path == paths[0] else "label", str(path), "no such file", "correct the datalist"
            )
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return json.dumps([stats, spec.to_dict()], sort_keys=True)


def _check_path(key: str, value: str | None) -> None:
    _check_hash(key, value, "rename the folder so that it has no '#'")


def _check_hash(key: str, value: str | None, remedy: str) -> None:
    if value is not None and ("::" in str(value) or "#" in str(value)):
        raise SamAdaptError(key, value, "MONAI's configuration reads '#' as '::'", remedy)
