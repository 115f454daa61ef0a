"""Runs in MLflow: training and evaluation in one run, and the adapted network as a registered model."""

from monai_samadapt.tracking.evaluation import MLflowEvaluation
from monai_samadapt.tracking.preflight import preflight_tracking
from monai_samadapt.tracking.training import MLflowTracking

__all__ = ["MLflowEvaluation", "MLflowTracking", "preflight_tracking"]
