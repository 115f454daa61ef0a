"""Procedural images with object masks for pretraining, made in batches on the CPU or a GPU."""

from monai_samadapt.datasets.shapes.families import FAMILIES, HELD_OUT, TRAINING
from monai_samadapt.datasets.shapes.generator import ShapesGenerator

__all__ = ["FAMILIES", "HELD_OUT", "TRAINING", "ShapesGenerator"]
