"""Public data sets: what a download holds, and how it becomes a datalist."""

from monai_samadapt.datasets.public.describe import PublicSet
from monai_samadapt.datasets.public.prepare import Prepared, prepare
from monai_samadapt.datasets.public.registry import SETS

__all__ = ["SETS", "Prepared", "PublicSet", "prepare"]
