"""The chain of transforms from files to the network's input and back, defined once by `DataSpec`."""

from monai_samadapt.transforms.compose import OneLineCompose
from monai_samadapt.transforms.fit import FitInPlaned
from monai_samadapt.transforms.restore import RestoreSegmentationd
from monai_samadapt.transforms.save import SaveSegmentationd
from monai_samadapt.transforms.slices import RandSlicesd
from monai_samadapt.transforms.spec import DataSpec

__all__ = [
    "DataSpec",
    "FitInPlaned",
    "OneLineCompose",
    "RandSlicesd",
    "RestoreSegmentationd",
    "SaveSegmentationd",
]
