"""Input files the project makes itself: CT volumes and fundus images with their labels."""

from monai_samadapt.datasets.procedural.ct import CT_LABELS, make_ct
from monai_samadapt.datasets.procedural.demo import write_demo_dataset
from monai_samadapt.datasets.procedural.files import write_ct, write_png
from monai_samadapt.datasets.procedural.fundus import FUNDUS_LABELS, make_fundus

__all__ = ["CT_LABELS", "FUNDUS_LABELS", "make_ct", "make_fundus", "write_ct", "write_demo_dataset", "write_png"]
