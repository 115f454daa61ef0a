"""What runs before anything else: lists of items, and checks that end in one line: key, value, remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monai_samadapt.datasets import image_folders, inference_items, load_datalist
from monai_samadapt.engines.checks import (
    Items,
    check_base,
    check_counts,
    check_device,
    check_folder,
    check_hash,
    check_items,
    check_model_file,
    check_network,
    check_path,
    check_ranges,
)
from monai_samadapt.engines.ids import check_ids
from monai_samadapt.engines.memory import check_memory
from monai_samadapt.engines.optim import amp_dtype as find_amp_dtype
from monai_samadapt.engines.previous import check_apart
from monai_samadapt.engines.prompt_items import check_prompts
from monai_samadapt.engines.trained import check_settings
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.networks.base import check_block
from monai_samadapt.networks.label_embeddings import label_embeddings
from monai_samadapt.processes import agreed, check_alone
from monai_samadapt.run_files import DESCRIPTION, PREFLIGHT
from monai_samadapt.running import running_config
from monai_samadapt.transforms import DataSpec


@exits_in_one_line
def items(dataset_dir: str, datalist: str | None, section: str, seed: int = 0) -> list[dict[str, Any]]:
    """The items of one split; ends the run in one line when they cannot be listed."""
    check_path("dataset_dir", dataset_dir)
    check_path("datalist", datalist)
    if section == "inference":
        return inference_items(dataset_dir, datalist)
    return load_datalist(dataset_dir, datalist, section, seed)


@exits_in_one_line
def source_folders(dataset_dir: str, datalist: str | None) -> list[str]:
    """The folders below which images lie, whose own folders results keep: the data set's, and its datalist's."""
    return image_folders(dataset_dir, datalist)


@exits_in_one_line
def data_spec(**settings: Any) -> DataSpec:
    """A :class:`DataSpec`; ends the run in one line when a setting is wrong."""
    spec = DataSpec(**settings)
    for name in spec.label_spec.names:
        check_hash("labels", name, "name it without '#'")
    return spec


@agreed
@exits_in_one_line
def preflight_training(
    training: Items,
    validation: Items,
    spec: DataSpec,
    network: str,
    checkpoint: str | None,
    variant: str,
    output_dir: str,
    device: str,
    counts: Mapping[str, int],
    embeddings: str = "fixed",
    amp_dtype: str = "bfloat16",
    rank: int | None = None,
    sam2_version: str = "2.1",
    model_file: str | None = None,
    adapt_from_block: int = 0,
    dataset_dir: str | None = None,
    datalist: str | None = None,
) -> None:
    """Check everything a training run rests on.

    Args:
        training, validation: items with ``image`` and ``label``.
        spec: how they are read.
        network: full name of the network's class.
        checkpoint, variant: base weights.
        output_dir: folder of the artefacts.
        device: device of the run.
        counts: ids that must be at least 1.
        embeddings: id ``label_embeddings``.
        amp_dtype: id of that name.
        rank: must be None for methods without a rank.
        sam2_version: id of that name, for SAM2.
        model_file: weights to go on from, in a packed bundle, in place of a checkpoint.
        adapt_from_block, dataset_dir, datalist: ids of these names.
    """
    check_alone()
    config = running_config()
    check_ids(config)
    check_device(device)
    check_folder("output_dir", output_dir)
    if dataset_dir is not None:
        check_apart(output_dir, dataset_dir, datalist)
    check_ranges(config)
    if rank is not None:
        raise SamAdaptError("rank", rank, "S-SAM trains singular values, it has no rank", "leave rank null")
    find_amp_dtype(amp_dtype)
    check_counts(counts)
    check_network(variant, spec.image_size, network)
    check_block(variant, adapt_from_block)
    label_embeddings(embeddings, spec.label_spec.names)
    if checkpoint is None and model_file is not None:
        check_model_file(model_file)
    else:
        check_base(checkpoint, variant, sam2_version)
    if not training:
        raise SamAdaptError("training", [], "no cases to train on", "give dataset_dir or datalist with labelled cases")
    shared = {str(item["image"]) for item in training} & {str(item["image"]) for item in validation}
    if shared:
        raise SamAdaptError("datalist", sorted(shared)[0], "is in training and in validation", "keep splits apart")
    check_memory(config)
    check_items([*training, *validation], spec, Path(output_dir) / PREFLIGHT)


@agreed
@exits_in_one_line
def preflight_inference(
    inputs: Items,
    spec: DataSpec,
    network: str,
    model_file: str,
    variant: str,
    output_dir: str,
    device: str,
    counts: Mapping[str, int] = MappingProxyType({}),
    amp_dtype: str = "bfloat16",
    adapt_from_block: int = 0,
) -> None:
    """Check everything inference or evaluation rests on, and that the settings are those of the training run.

    The arguments are those of `preflight_training`.
    """
    check_ids(running_config())
    check_device(device)
    find_amp_dtype(amp_dtype)
    check_counts(counts)
    check_network(variant, spec.image_size, network)
    check_block(variant, adapt_from_block)
    check_folder("output_dir", output_dir)
    check_model_file(model_file)
    check_settings(spec, Path(model_file).parent / DESCRIPTION)
    check_prompts(inputs, network)
    check_items(inputs, spec)
