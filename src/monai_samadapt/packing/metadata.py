"""The metadata of a packed bundle: its labels, channels and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from monai_samadapt.transforms import DataSpec

CHANNELS_OF_VOLUMES = {
    False: ("slice", "the same slice", "the same slice"),
    True: ("slice below", "slice", "slice above"),
}
FORMATS = {"ct": {"format": "hounsfield", "modality": "CT"}, "mri": {"format": "magnitude", "modality": "MR"}}


def packed_metadata(metadata: Mapping[str, Any], spec: DataSpec, eval_metrics: Mapping[str, float]) -> dict[str, Any]:
    """Fill in what the settings of the data decide.

    Volumes have ``spatial_shape`` ``[S, S, "*"]``, by which MONAI Label knows that they are 3D.

    Args:
        metadata: of the bundle the model comes from.
        spec: the settings.
        eval_metrics: of the trained model.
    """
    packed = deepcopy(dict(metadata))
    volumes, labels = spec.volumes, spec.label_spec
    shape = [spec.image_size, spec.image_size, *(["*"] if volumes else [])]
    image = packed["network_data_format"]["inputs"]["image"]
    pred = packed["network_data_format"]["outputs"]["pred"]
    image["spatial_shape"], pred["spatial_shape"] = list(shape), list(shape)
    if volumes:
        image |= FORMATS[spec.modality]
        image["channel_def"] = {str(index): name for index, name in enumerate(CHANNELS_OF_VOLUMES[spec.neighbours])}
    names = ["background", *labels.names] if labels.exclusive else list(labels.names)
    pred["num_channels"] = len(names)
    pred["channel_def"] = {str(index): name for index, name in enumerate(names)}
    packed["eval_metrics"] = dict(eval_metrics)
    return packed


def mean_dice(summary: Mapping[str, Any]) -> dict[str, float]:
    """The mean Dice without prompts of each label in an evaluation's ``summary.json``, as far as it has one."""
    parts = [part for part in (summary, *summary.get("other_prompts", [])) if part.get("prompts") == "none"]
    labels = parts[0]["labels"] if parts else {}
    means = {name: part["metrics"]["dice"]["mean"] for name, part in labels.items()}
    return {f"dice_{name}": round(value, 4) for name, value in means.items() if value is not None}
