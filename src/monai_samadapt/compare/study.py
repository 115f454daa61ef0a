"""A study: data sets, methods and settings, as the command line or a JSON file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monai_samadapt.bundle_folders import find_bundle, read_overlay
from monai_samadapt.compare.methods import check_ids, find_method
from monai_samadapt.datasets import Split, read_split
from monai_samadapt.datasets.folds import Fold, leave_one_out, pooled, separate
from monai_samadapt.errors import SamAdaptError

MODES = ("separate", "pooled", "leave_one_out")


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
        if self.mode != "separate":
            self._check_together()
        for name, ids in self.methods.items():
            for data in self.sets.values():
                bundle = find_method(name, ids).bundle
                check_ids(self._chosen(ids, data), bundle)
                read_overlay(find_bundle(bundle), data.overlay)

    def make_folds(self) -> list[Fold]:
        """Read the data sets and divide them."""
        splits = {name: read_split(data.dataset_dir, data.datalist, self.seed) for name, data in self.sets.items()}
        if self.mode != "separate":
            self._check_labels(splits)
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
        chosen = {"seed": self.seed, **labels, **kind.ids, **self._chosen(ids, data)}
        if not kind.network.takes_prompts() and "prompt_modes" not in ids:
            chosen.pop("prompt_modes", None)
        return chosen

    def _check_together(self) -> None:
        """Refuse sets with settings of their own where one network is for all of them."""
        overlays = sorted({data.overlay for data in self.sets.values()})
        if len(overlays) > 1:
            raise SamAdaptError("overlay", overlays, "one network has one modality", "give all sets the same overlay")
        for key in dict.fromkeys(key for data in self.sets.values() for key in data.ids):
            values = [data.ids.get(key) for data in self.sets.values()]
            if any(value != values[0] for value in values):
                raise SamAdaptError(key, values, "one network has one setting", "give all sets the same")

    def _check_labels(self, splits: Mapping[str, Split]) -> None:
        """Refuse datalists that give values of label files other names, where nothing else names them."""
        data, (method, ids) = next(iter(self.sets.values())), next(iter(self.methods.items()))
        bundle = find_method(method, ids).bundle
        if "labels" in self._chosen({}, data) or _gives_labels(data.overlay, bundle):
            return
        named = [split.labels for split in splits.values() if split.labels]
        if other := next((labels for labels in named if labels != named[0]), None):
            remedy = "give the labels of all sets (--labels), or relabel one"
            raise SamAdaptError("labels", [named[0], other], "the datalists name other values", remedy)

    def _chosen(self, ids: Mapping[str, Any], data: DataSet) -> dict[str, Any]:
        return {**self.ids, **data.ids, **{key: value for key, value in ids.items() if key != "method"}}


def _labels(split: Split, overlay: str, bundle: str) -> dict[str, Any]:
    return {} if _gives_labels(overlay, bundle) or not split.labels else {"labels": split.labels}


def _gives_labels(overlay: str, bundle: str) -> bool:
    return "labels" in read_overlay(find_bundle(bundle), overlay)
