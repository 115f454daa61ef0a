"""The columns of a comparison: each a bundle, the base weights it begins with, and perhaps another network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monai_samadapt import networks
from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import SegmentationNetwork

COMMON = ("image_size", "labels", "overlapping", "seed")
OF_BASE = ("variant", *COMMON, "checkpoint", "activation_checkpointing")
OWN = (
    *("dataset_dir", "datalist", "output_dir", "report_dir", "resume", "tracking_uri", "experiment", "section"),
    "model_file",
)
"""Ids that a comparison sets itself."""


@dataclass(frozen=True)
class Method:
    """How a method is run.

    Attributes:
        network: its network.
        bundle: the bundle whose configurations run it, with their loss, optimiser and prompts in training.
        ids: nano base and peak learning rate, unless the user says otherwise.
        takes: the ids that its network takes, where it replaces the bundle's own.
    """

    network: type[SegmentationNetwork]
    bundle: str
    ids: Mapping[str, Any]
    takes: tuple[str, ...] = ()

    def overrides(self) -> dict[str, Any]:
        """What replaces the bundle's ``network_def``, if anything."""
        if not self.takes:
            return {}
        target = f"{networks.__name__}.{self.network.__name__}"
        definition = {"_target_": target, **{key: f"@{key}" for key in self.takes}}
        if "checkpoint" in self.takes:
            definition["compile_blocks"] = "@compile"
        return {"network_def": definition}


SAM = {"variant": "vit_nano", "checkpoint": "sam_vit_nano"}
SAM2 = {"variant": "hiera_nano", "checkpoint": "sam2.1_hiera_nano"}
NONE = {"variant": "vit_nano", "checkpoint": "random"}
METHODS = {
    "s_sam": Method(networks.SSam, "s_sam", {**SAM, "learning_rate": 2e-2}),
    "balr_sam": Method(networks.BALRSam, "balr_sam", {**SAM, "learning_rate": 1e-3}),
    "sam2_lora": Method(networks.Sam2LoRA, "sam2_lora", {**SAM2, "learning_rate": 1e-3}),
    "unet": Method(networks.PlainUNet, "s_sam", {**NONE, "learning_rate": 1e-2}, COMMON),
    "full_sam": Method(networks.FullSam, "s_sam", {**SAM, "learning_rate": 5e-4}, OF_BASE),
    "full_sam2": Method(networks.FullSam2, "sam2_lora", {**SAM2, "learning_rate": 5e-4}, (*OF_BASE, "sam2_version")),
}


def find_method(name: str, ids: Mapping[str, Any]) -> Method:
    """The method of a column, which has its name or is named by ``method`` among its ids.

    Raises:
        SamAdaptError: for an unknown one.
    """
    kind = str(ids.get("method", name))
    if kind not in METHODS:
        remedy = f"give one of {', '.join(METHODS)}, or a name of your own with its method (--set NAME.method=s_sam)"
        raise SamAdaptError("methods", kind, "is no method", remedy)
    return METHODS[kind]


def known_ids(bundle: str) -> tuple[set[str], set[str]]:
    """The top-level ids of a bundle's training, and those that evaluation has beside them."""
    train, evaluate = (
        json.loads((find_bundle(bundle) / "configs" / f"{name}.json").read_text()) for name in ("train", "evaluate")
    )
    plain = {key for key in train if not isinstance(train[key], dict)} - {"imports", "initialize", "run", "bundle_root"}
    return plain, {key for key in evaluate if "::" not in key} - {"initialize", "run", *train}


def check_ids(ids: Mapping[str, Any], bundle: str) -> None:
    """Refuse ids that the bundle does not have or that the comparison sets.

    Raises:
        SamAdaptError: naming the first.
    """
    training, evaluation = known_ids(bundle)
    for key, value in ids.items():
        if key in OWN:
            raise SamAdaptError(key, value, "is set by the comparison itself", "leave it out")
        if key not in training | evaluation:
            raise SamAdaptError(key, value, f"is no id of the bundle {bundle}", "see the table of ids in the README")
