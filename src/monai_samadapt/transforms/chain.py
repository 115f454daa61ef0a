"""What the chains of transforms of all modalities have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monai.transforms import SpatialPadd, Transform

from monai_samadapt.transforms.clicks import ClicksToNetworkd
from monai_samadapt.transforms.compose import OneLineCompose
from monai_samadapt.transforms.fit import FitInPlaned
from monai_samadapt.transforms.normalise import NormaliseForSAMd
from monai_samadapt.transforms.prompts import FilePromptsd, ModePromptsd, PromptsToNetworkd
from monai_samadapt.transforms.read import ReadImaged, ReadLabeld, ReadMaskd, SourceReader
from monai_samadapt.transforms.slices import KeepSampled

if TYPE_CHECKING:
    from monai_samadapt.transforms.spec import DataSpec

IMAGE = ("image",)
PAIR = ("image", "label")


class Chain(ABC):
    """Read, stand upright, scale to 0…1, fit into S × S, normalise, pad with 0; a modality fills in the steps.

    Attributes:
        confined: whether results stay inside the field of view.

    Args:
        spec: the settings.
    """

    reader: SourceReader
    formats: tuple[str, ...]
    dimensions: int
    confined = False

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    def inference(self) -> OneLineCompose:
        """Transforms of ``image`` and of the item's prompts or clicks."""
        read = [ReadImaged(self.reader), FilePromptsd(self.spec.label_spec)]
        prompts = [PromptsToNetworkd(), ClicksToNetworkd(self.spec.label_spec)]
        return OneLineCompose([*read, *self.prepare(IMAGE), *self.to_network(IMAGE), *prompts])

    def evaluation(self, seed: int) -> OneLineCompose:
        """Transforms of ``image`` and prompts; ``label`` and ``mask`` stay on the source grid."""
        read = [*self.read(), ModePromptsd(self.spec.label_spec, seed)]
        return OneLineCompose([*read, *self.prepare(IMAGE), *self.to_network(IMAGE), PromptsToNetworkd()])

    def training(self, samples: int, augment: bool) -> OneLineCompose:
        """Transforms of ``image`` and ``label``; those before the first random one give what a dataset caches."""
        random = self.augmentation() if augment else []
        read = [ReadImaged(self.reader), ReadLabeld(self.reader, self.spec.label_spec)]
        steps = [*read, *self.prepare(PAIR), *self.sample(samples), *random, NormaliseForSAMd(), self.pad(PAIR, 2)]
        return OneLineCompose([*steps, KeepSampled()])

    def read(self) -> list[Transform]:
        """Read and check an item with its label and optional mask."""
        return [ReadImaged(self.reader), ReadLabeld(self.reader, self.spec.label_spec), ReadMaskd(self.reader)]

    def check(self, item: Mapping[str, Any]) -> dict[Hashable, Any]:
        """Read an item whose label may be missing."""
        steps = self.read() if item.get("label") is not None else [ReadImaged(self.reader), ReadMaskd(self.reader)]
        checked: dict[Hashable, Any] = OneLineCompose(steps)(dict(item))
        return checked

    def fit(self, keys: Sequence[str], spacing: tuple[float, float] | None = None) -> Transform:
        """Interpolate images linearly, labels to the nearest."""
        modes = ["bilinear" if key == "image" else "nearest" for key in keys]
        return FitInPlaned(keys, modes, self.spec.image_size, spacing)

    def pad(self, keys: Sequence[str], dimensions: int) -> Transform:
        """Pad rows and columns with 0 at the lower right, to S × S."""
        size = (self.spec.image_size,) * 2
        return SpatialPadd(keys, size if dimensions == 2 else (*size, -1), method="end")

    def to_network(self, keys: Sequence[str]) -> list[Transform]:
        """Give the fitted image, in 0…1, the channels, the normalisation and the size of the network's input."""
        return [NormaliseForSAMd(), self.pad(keys, self.dimensions)]

    @abstractmethod
    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        """Stand upright, scale to 0…1, fit into S × S; invertible."""

    @abstractmethod
    def sample(self, samples: int) -> list[Transform]:
        """Draw 2D training samples."""

    @abstractmethod
    def augmentation(self) -> list[Transform]:
        """Change 2D training samples at random."""
