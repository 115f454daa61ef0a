"""The chain of transforms of each modality."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import Orientationd, ScaleIntensityRanged, Transform

from monai_samadapt.transforms import save
from monai_samadapt.transforms.augment import picture_augmentation, volume_augmentation
from monai_samadapt.transforms.chain import IMAGE, Chain
from monai_samadapt.transforms.clicked_slices import KeepClickedSlicesd
from monai_samadapt.transforms.colour import ColourChannelsd
from monai_samadapt.transforms.disc import CropAtDiscd, given_centre
from monai_samadapt.transforms.end_of_cached import EndOfCached
from monai_samadapt.transforms.field_of_view import FieldOfViewd
from monai_samadapt.transforms.fundus_augment import fundus_augmentation
from monai_samadapt.transforms.grid import RAS_PAIRS, UPRIGHT
from monai_samadapt.transforms.normalise import NeighbourChannelsd
from monai_samadapt.transforms.percentiles import ScaleByPercentilesd
from monai_samadapt.transforms.pictures import PictureReader, Uprightd
from monai_samadapt.transforms.slices import CompactVolumed, KeepSampled, RandSlicesd
from monai_samadapt.transforms.volumes import VolumeReader

PERCENTILES = (0.5, 99.5)


class VolumeChain(Chain):
    """Volumes: RAS turned upright (rows to posterior, columns to the patient's left), scaled, as slices."""

    reader = VolumeReader()
    formats = save.VOLUME_FORMATS
    dimensions = 3
    scaled_by_volume = False

    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        upright = Orientationd(keys, axcodes=UPRIGHT, labels=RAS_PAIRS)
        clicked = [KeepClickedSlicesd()] if tuple(keys) == IMAGE else []
        scale = [self.scale(), *clicked] if self.scaled_by_volume else [*clicked, self.scale()]
        return [upright, *scale, self.fit(keys, self.spec.pixel_size)]

    @abstractmethod
    def scale(self) -> Transform:
        """Map intensities to 0…1."""

    def to_network(self, keys: Sequence[str]) -> list[Transform]:
        neighbours = [NeighbourChannelsd()] if self.spec.neighbours else []
        return [EndOfCached(), *neighbours, *super().to_network(keys)]

    def sample(self, samples: int) -> list[Transform]:
        return [CompactVolumed(), RandSlicesd(samples, self.spec.neighbours)]

    def augmentation(self) -> list[Transform]:
        return volume_augmentation(self.spec.image_size)


class CTChain(VolumeChain):
    """Volumes in HU: the window is mapped to 0…1."""

    def scale(self) -> Transform:
        assert self.spec.window is not None
        low, high = self.spec.window
        return ScaleIntensityRanged("image", low, high, 0.0, 1.0, clip=True)


class MRIChain(VolumeChain):
    """Volumes whose intensities have no unit: the 0.5th to the 99.5th percentile of each is mapped to 0…1."""

    scaled_by_volume = True

    def scale(self) -> Transform:
        return ScaleByPercentilesd(*PERCENTILES)


class Image2DChain(Chain):
    """RGB or grey pictures."""

    reader = PictureReader()
    formats = save.PICTURE_FORMATS
    dimensions = 2

    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        return [
            Uprightd(keys),
            ScaleIntensityRanged("image", 0.0, 255.0, 0.0, 1.0),
            self.fit(keys),
        ]

    def sample(self, samples: int) -> list[Transform]:
        return []

    def augmentation(self) -> list[Transform]:
        return picture_augmentation(self.spec.image_size, self.spec.label_spec.names)


class FundusChain(Image2DChain):
    """Photographs of the retina: black outside the field of view, perhaps cut around the disc, in chosen channels."""

    confined = True

    def check(self, item: Mapping[str, Any]) -> dict[Hashable, Any]:
        checked = super().check(item)
        given_centre(checked)
        return checked

    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        crop = [] if self.spec.crop is None else [CropAtDiscd(keys, self.spec.crop)]
        return [FieldOfViewd(self.reader), *crop, *super().prepare(keys), ColourChannelsd(self.spec.channels)]

    def sample(self, samples: int) -> list[Transform]:
        """A cached sample is without the field of view, which has the size of the source."""
        return [KeepSampled()]

    def augmentation(self) -> list[Transform]:
        return fundus_augmentation(self.spec.label_spec.names)


CHAINS: dict[str, type[Chain]] = {"ct": CTChain, "mri": MRIChain, "image2d": Image2DChain, "fundus": FundusChain}
