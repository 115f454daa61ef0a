"""Data sets: datalists, splits by subject, and procedural data."""

from monai_samadapt.datasets.datalist import check_files, image_folders, inference_items, load_datalist, read_split
from monai_samadapt.datasets.split import SECTIONS, Split, split_by_subject, write_split

__all__ = [
    "SECTIONS",
    "Split",
    "check_files",
    "image_folders",
    "inference_items",
    "load_datalist",
    "read_split",
    "split_by_subject",
    "write_split",
]
