"""A study: data sets, methods and settings, as the command line or a JSON file gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.compare.methods import check_ids, find_method, overlay_file
from monai_samadapt.datasets import Split, read_split
from monai_samadapt.datasets.folds import Fold, leave_one_out, pooled, separate
from monai_samadapt.errors import SamAdaptError

MODES = ("separate", "pooled", "leave_one_out")
KEYS = ("sets", "methods", "mode", "folds", "seed", "ids")
SET_KEYS = ("dataset_dir", "datalist", "overlay", "ids")


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        dataset_dir, datalist: as for the bundles.
        overlay: of the modality: ``ct``, ``mri``, ``image2d``, ``fundus_disc``, … or a JSON file of ids.
        ids: of the data, as ``labels``.
    """

    dataset_dir: str
    datalist: str | None = None
    overlay: str = "image2d"
    ids: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        sets: data sets by name.
        methods: columns by name, each with ids of its own.
        mode: ``separate``: each set by itself; ``pooled``: one training on all; ``leave_one_out``.
        folds: 1 for the data sets' own split.
        seed: of folds and trainings.
        ids: for all cells, e.g. ``max_epochs``.
    """

    sets: Mapping[str, DataSet]
    methods: Mapping[str, Mapping[str, Any]]
    mode: str = "separate"
    folds: int = 3
    seed: int = 0
    ids: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SamAdaptError("mode", self.mode, "is unknown", f"give one of {', '.join(MODES)}")
        if not self.sets or not self.methods:
            raise SamAdaptError("methods", list(self.methods), "nothing to compare", "give data sets and methods")
        for name in (*self.sets, *self.methods):
            if not name or not all(sign.isalnum() or sign in "_-." for sign in name):
                raise SamAdaptError("name", name, "cannot name a folder", "use letters, digits, '_', '-' and '.'")
        if self.mode != "separate" and len({data.overlay for data in self.sets.values()}) > 1:
            overlays = sorted({data.overlay for data in self.sets.values()})
            raise SamAdaptError("overlay", overlays, "one network has one modality", "give all sets the same overlay")
        for name, ids in self.methods.items():
            for data in self.sets.values():
                check_ids(self._chosen(ids, data), find_method(name, ids).bundle)

    def make_folds(self) -> list[Fold]:
        """Read the data sets and divide them."""
        splits = {name: read_split(data.dataset_dir, data.datalist, self.seed) for name, data in self.sets.items()}
        if self.mode == "leave_one_out":
            return leave_one_out(splits, self.seed)
        return (pooled if self.mode == "pooled" else separate)(splits, self.folds, self.seed)

    def data_set(self, fold: Fold) -> DataSet:
        """The data set that gives a fold its overlay and ids: its own, or the first of those it is trained on."""
        return self.sets[str(fold.split.training[0]["dataset"])]

    def cell_ids(self, method: str, fold: Fold) -> dict[str, Any]:
        """All ids of one cell; the method's own come last.

        Labels that nobody gave are those of the datalist, where it has some and the overlay does not bring its own.
        ``prompt_modes`` of the whole comparison leave out methods without prompts.
        """
        ids, data = self.methods[method], self.data_set(fold)
        kind = find_method(method, ids)
        labels = _labels(fold.split, data.overlay, kind.bundle)
        chosen = {**labels, **kind.ids, **self._chosen(ids, data), "seed": self.seed}
        if not kind.network.takes_prompts() and "prompt_modes" not in ids:
            chosen.pop("prompt_modes", None)
        return chosen

    def _chosen(self, ids: Mapping[str, Any], data: DataSet) -> dict[str, Any]:
        return {**self.ids, **data.ids, **{key: value for key, value in ids.items() if key != "method"}}


def _labels(split: Split, overlay: str, bundle: str) -> dict[str, Any]:
    given = "labels" in json.loads(overlay_file(find_bundle(bundle), overlay).read_text())
    return {} if given or not split.labels else {"labels": split.labels}


def read_study(path: Path) -> Study:
    """Read a study from JSON: ``{"sets": {NAME: {"dataset_dir", "datalist", "overlay", "ids"}}, "methods": {NAME:
    {ids}}, "mode", "folds", "seed", "ids"}``; folders are relative to the file.

    Raises:
        SamAdaptError: when it cannot be read or has other keys.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SamAdaptError("study", str(path), f"cannot be read ({error})", "give a JSON file") from error
    _check_keys(content, KEYS, path)
    if not isinstance(content.get("sets"), dict):
        raise SamAdaptError("study", str(path), "has no sets", 'give "sets": {NAME: {"dataset_dir": …}}')
    sets = {}
    for name, data in content.pop("sets").items():
        _check_keys(data, SET_KEYS, path)
        if "dataset_dir" not in data:
            raise SamAdaptError("study", str(path), f"the set {name} has no dataset_dir", "give its folder")
        sets[name] = _placed(DataSet(**data), path.resolve().parent)
    methods = content.pop("methods", {})
    return Study(sets, {name: {} for name in methods} if isinstance(methods, list) else methods, **content)


def _placed(data: DataSet, folder: Path) -> DataSet:
    """A data set whose paths were relative to ``folder``."""
    overlay = str(folder / data.overlay) if data.overlay.endswith(".json") else data.overlay
    return replace(data, dataset_dir=str(folder / data.dataset_dir), overlay=overlay)


def _check_keys(found: Any, known: tuple[str, ...], path: Path) -> None:
    wrong = found if not isinstance(found, dict) else next((key for key in found if key not in known), None)
    if wrong is not None:
        raise SamAdaptError("study", wrong, f"is not known in {path}", f"use {', '.join(known)}")
