"""The configurations of a packed bundle: overlays merged, settings set, its own weights to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks.label_embeddings import OWN_EMBEDDINGS

Config = dict[str, Any]

PARTS = ("imports", "network", "amp_on_cuda", "initialize", "run")
MODEL_FILE = "$@bundle_root + '/models/model.pt'"
LOAD_START = "$engines.load_start(@network, @model_file)"
PUBLISH = {
    "_target_": "monai_samadapt.engines.PublishWeights",
    "output_dir": "@output_dir",
    "model_file": "@model_file",
}


def ids_of(config: Config, description: Mapping[str, Any]) -> Config:
    """The top-level ids that the settings in ``adapter.json`` stand for, by how ``config`` hands them on."""
    found: Config = {}
    for section, settings in (("network_def", description["network"]), ("data_spec", description["preprocessing"])):
        for argument, value in config[section].items():
            if isinstance(value, str) and value.startswith("@") and argument in settings:
                found[value[1:]] = settings[argument]
    return found


def with_ids(config: Config, ids: Mapping[str, Any]) -> Config:
    """Set those of the ids that a configuration has."""
    return config | {key: value for key, value in ids.items() if key in config}


def check_ids(ids: Mapping[str, Any], config: Config, decided: Mapping[str, Any] | None = None) -> None:
    """Refuse ids that a configuration does not have, and those that the weights have decided.

    Raises:
        SamAdaptError: naming the first.
    """
    known = [key for key, value in config.items() if not isinstance(value, dict) and key not in PARTS]
    for key, value in ids.items():
        if key not in known:
            raise SamAdaptError(key, value, "is no id of this bundle", f"give one of {', '.join(known)}")
        if decided is not None and (key in decided or key == "checkpoint"):
            raise SamAdaptError(key, value, "is decided by the run", "leave it out, or train with that value")


def packed_training(config: Config) -> Config:
    """Training that starts from the bundle's own weights and replaces them at its end."""
    packed = config | {"checkpoint": None, "model_file": MODEL_FILE}
    steps = [dict(step) if isinstance(step, dict) else step for step in config["initialize"]]
    preflight = next(step for step in steps if _target(step).endswith("preflight_training"))
    preflight["model_file"] = "@model_file"
    if config.get("label_embeddings") not in OWN_EMBEDDINGS:
        preflight.pop("embeddings", None)  # they are in the weights, the file is not needed
    train = config["train"]
    packed["initialize"] = [*steps, LOAD_START]
    packed["train"] = train | {"handlers": [*train["handlers"], PUBLISH]}
    return packed


def packed_evaluation(config: Config) -> Config:
    """Evaluation of the bundle's own weights, not of those in ``output_dir``."""
    return config | {"model_file": MODEL_FILE}


def _target(step: Any) -> str:
    return str(step.get("_target_", "")) if isinstance(step, dict) else ""
