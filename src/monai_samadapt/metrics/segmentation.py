"""The metrics of a whole evaluation, as a metric of an ignite engine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import ignite.distributed as idist
import numpy as np
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from monai.data.meta_tensor import MetaTensor
from monai.data.utils import affine_to_spacing

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.metrics.aggregate import by_prompts, case_names, mean_over_labels, merge_ranks
from monai_samadapt.metrics.case import Row, case_metrics
from monai_samadapt.transforms.grid import shear_of

SHEAR_LIMIT = 0.02
"""Distances are then wrong by no more than 1 %."""


class SegmentationMetrics(Metric):
    """Collects the rows of `case_metrics` over an epoch; its value is the mean Dice.

    The value is the mean over labels of the mean Dice over the cases where the label is present or predicted: missed
    structures and predictions on an empty truth count 0, a label empty in both is left out. It is NaN when nothing
    is left. All processes get the same value and rows; a case seen by two of them counts once.

    Attach it to a MONAI evaluator: ``key_val_metric={"val_mean_dice": SegmentationMetrics(labels)}``. The engine's
    output, after its postprocessing, is a list with one dictionary for each case: ``pred`` and ``label`` on the source
    grid, as in `case_metrics`, and optionally ``prob`` (K, …), the field of view ``fov`` (1, …) and ``prompts``, the
    source of its prompts (``none`` by default). An image may come with several prompts; the value is that of the first
    source of prompts alone, as their figures cannot be compared.

    Attributes:
        rows: once the value is computed, the rows of all processes with ``case`` (file name, with folders where names
            repeat) and ``file`` (full path).
        last_rows: the rows of the last batch, one list for each case.

    Args:
        labels: the id ``labels``, or a parsed `LabelSpec`.
        overlapping: whether ``labels`` are the channels of overlapping maps.
        surface: whether to compute HD95 and NSD; without them a validation during training is cheaper.
        nsd_tolerance: tolerance of the NSD in mm, or pixels.
        spacing: ``"affine"`` takes the voxel size in mm from the label's affine; None for images without a physical
            size (PNG, JPG): distances in pixels.
        output_transform: takes the list of cases out of the engine's output.

    Raises:
        SamAdaptError: for wrong labels, an unknown ``spacing``, or shapes that do not agree.
    """

    required_output_keys = None

    def __init__(
        self,
        labels: Labels | LabelSpec,
        overlapping: bool = False,
        surface: bool = True,
        nsd_tolerance: float = 2.0,
        spacing: Literal["affine"] | None = "affine",
        output_transform: Callable[[Any], Any] = lambda output: output,
    ) -> None:
        if spacing not in ("affine", None):
            raise SamAdaptError("spacing", spacing, "is unknown", 'give "affine" for mm or null for pixels')
        self.label_spec = labels if isinstance(labels, LabelSpec) else LabelSpec.parse(labels, overlapping)
        self.surface, self.nsd_tolerance, self.spacing = surface, nsd_tolerance, spacing
        super().__init__(output_transform, skip_unrolling=True)

    def reset(self) -> None:
        """Forget all cases."""
        self.rows: list[Row] = []
        self.last_rows: list[list[Row]] = []
        self._local_rows: list[Row] = []
        self._files: Counter[tuple[str, str]] = Counter()

    def update(self, output: Sequence[Mapping[str, Any]]) -> None:
        """Score the cases of one batch."""
        self.last_rows = []
        for case in output:
            prompts = str(case.get("prompts", "none"))
            file = self._key(source_file(case), prompts)
            rows = [{"file": file, "prompts": prompts} | row for row in self._score(case)]
            self.last_rows.append(rows)
            self._local_rows += rows

    def cases(self, output: Any) -> Sequence[Mapping[str, Any]]:
        """Return the cases in an engine's output, in the order of ``last_rows``."""
        cases: Sequence[Mapping[str, Any]] = self._output_transform(output)
        return cases

    def compute(self) -> float:
        """Gather the rows of all processes and return the mean Dice."""
        self.rows = _with_names(merge_ranks(idist.all_gather(self._local_rows)))  # type: ignore[arg-type]
        if not self.rows:
            raise NotComputableError("SegmentationMetrics has seen no case before compute")
        return mean_over_labels(by_prompts(self.rows)[self.rows[0]["prompts"]])

    def _key(self, file: str, prompts: str) -> str:
        """Tell cases apart that have no file, or the same with the same prompts."""
        self._files[file, prompts] += 1
        count = self._files[file, prompts]
        if not file:
            return f"case_{idist.get_rank()}_{count}"
        return file if count == 1 else f"{file} ({count})"

    def _score(self, case: Mapping[str, Any]) -> list[Row]:
        spacing = None if self.spacing is None else _spacing(case["label"])
        surface = self.surface and (spacing is None or _right_angles(case))
        return case_metrics(
            case["pred"],
            case["label"],
            spacing,
            self.label_spec,
            prob=case.get("prob"),
            nsd_tolerance=self.nsd_tolerance,
            fov=case.get("fov"),
            surface=surface,
        )


def source_file(case: Mapping[str, Any]) -> str:
    """Return the path of the image that a case was read from, as its arrays' metadata have it, or an empty string."""
    for key in ("image", "pred", "label"):
        meta = getattr(case.get(key), "meta", {})
        if name := meta.get("filename_or_obj"):
            return str(name)
    return ""


def _with_names(rows: Sequence[Row]) -> list[Row]:
    names = case_names([row["file"] for row in rows])
    return [{"case": names[row["file"]]} | row for row in rows]


def _right_angles(case: Mapping[str, Any]) -> bool:
    """Whether a size of a voxel along each axis gives distances; if not, as for a tilted gantry, say so."""
    affine = np.asarray(case["label"].affine, np.float64)
    if len(affine) != 4 or (shear := shear_of(affine)) <= SHEAR_LIMIT:
        return True
    angle = f"{math.degrees(math.acos(shear)):.3g} degrees"
    print(f"{source_file(case)} has axes at {angle}: HD95 and NSD need right angles, and are left out", flush=True)
    return False


def _spacing(label: Any) -> list[float]:
    if not isinstance(label, MetaTensor):
        raise SamAdaptError("spacing", "affine", "the label has no affine", "give null to measure in pixels")
    steps = affine_to_spacing(label.affine, r=len(label.affine) - 1)
    return [float(step) for step in steps[: label.ndim - 1]]
