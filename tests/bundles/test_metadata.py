"""The bundle's metadata: its schema, and its agreement with the configs and the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import verify_metadata
from packaging.version import Version

import monai_samadapt
from monai_samadapt.labels import LabelSpec

TENSOR_KEYS = ("type", "format", "num_channels", "spatial_shape", "dtype", "value_range")
TEXTS = ("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors")
# What MONAI's meta_schema_20240725.json asks for, in our own words.
TENSOR = {
    "type": "object",
    "required": list(TENSOR_KEYS),
    "properties": {
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "dtype": {"type": "string"},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "type": "object",
    "required": [*TEXTS, "copyright", "required_packages_version", "network_data_format"],
    "properties": {
        **{name: {"type": "string"} for name in (*TEXTS, "copyright", "data_source", "data_type", "intended_use")},
        **{name: {"type": "string"} for name in ("image_classes", "label_classes", "pred_classes")},
        **{name: {"type": "object"} for name in ("changelog", "required_packages_version", "supported_apps")},
        "eval_metrics": {"type": "object"},
        "references": {"type": "array", "items": {"type": "string"}},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {
                name: {"type": "object", "additionalProperties": TENSOR}
                for name in ("inputs", "outputs", "post_processed_outputs")
            },
        },
    },
}


@pytest.fixture
def metadata(bundle: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle.root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
def inference(bundle: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle.root / "configs" / "inference.json").read_text(encoding="utf-8"))
    return content


def verify(metadata: dict[str, Any], folder: Path) -> None:
    """MONAI's own command, offline: a schema that is there already is not downloaded."""
    (folder / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    verify_metadata(str(folder / "metadata.json"), str(folder / "schema.json"))


def test_metadata_fits_the_schema(metadata: dict[str, Any], tmp_path: Path) -> None:
    assert metadata["schema"] == "https://project-monai.github.io/schema/meta_schema_20240725.json"
    verify(metadata, tmp_path)


@pytest.mark.parametrize("key", ["version", "network_data_format"])
def test_metadata_without_a_required_key_is_refused(metadata: dict[str, Any], key: str, tmp_path: Path) -> None:
    del metadata[key]
    with pytest.raises(ValueError, match=f"'{key}' is a required property"):
        verify(metadata, tmp_path)


def test_versions_are_those_of_the_package(metadata: dict[str, Any]) -> None:
    assert metadata["version"] in metadata["changelog"]
    assert max(metadata["changelog"], key=Version) == metadata["version"]
    assert metadata["required_packages_version"]["monai_samadapt"] == monai_samadapt.__version__


def test_input_is_what_the_transforms_give(metadata: dict[str, Any], inference: dict[str, Any]) -> None:
    inputs = metadata["network_data_format"]["inputs"]
    assert next(iter(inputs)) == "image"
    image = inputs["image"]
    assert image["spatial_shape"] == [inference["image_size"]] * 2
    assert image["num_channels"] == len(image["channel_def"]) == 3
    # black and white after (x - mean) / std with SAM's statistics of red, green, blue
    extremes = [(0 - 123.675) / 58.395, (255 - 103.53) / 57.375]
    assert image["value_range"] == pytest.approx(extremes, abs=0.1)


def test_output_channels_are_the_labels(metadata: dict[str, Any], inference: dict[str, Any]) -> None:
    outputs = metadata["network_data_format"]["outputs"]
    assert next(iter(outputs)) == "pred"
    spec = LabelSpec.parse(inference["labels"], inference["overlapping"])
    assert list(outputs["pred"]["channel_def"].values()) == ["background", *spec.names]
    assert list(outputs["pred"]["channel_def"]) == [str(index) for index in range(spec.num_channels)]
    assert outputs["pred"]["num_channels"] == spec.num_channels == 2
    assert outputs["pred"]["spatial_shape"] == [inference["image_size"]] * 2
