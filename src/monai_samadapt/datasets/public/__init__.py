"""Public data sets, and data of one's own: what a folder holds, and how it becomes a datalist."""

from monai_samadapt.datasets.public.describe import PublicSet
from monai_samadapt.datasets.public.own import Own
from monai_samadapt.datasets.public.prepare import Prepared, check_folders, prepare
from monai_samadapt.datasets.public.registry import OWN, OWN_TEXT, SETS

__all__ = ["OWN", "OWN_TEXT", "SETS", "Own", "Prepared", "PublicSet", "check_folders", "prepare"]
