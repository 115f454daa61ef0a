"""Segmentation metrics for each case and label, with explicit rules for empty and missed structures."""

from monai_samadapt.metrics.aggregate import METRIC_NAMES, mean_over_labels
from monai_samadapt.metrics.auc import roc_auc
from monai_samadapt.metrics.case import STATES, case_metrics
from monai_samadapt.metrics.segmentation import SegmentationMetrics
from monai_samadapt.metrics.surface import image_diagonal, surface_scores

__all__ = [
    "METRIC_NAMES",
    "STATES",
    "SegmentationMetrics",
    "case_metrics",
    "image_diagonal",
    "mean_over_labels",
    "roc_auc",
    "surface_scores",
]
