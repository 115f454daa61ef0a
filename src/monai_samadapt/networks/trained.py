"""What every method trains, and the file it keeps of it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from monai_samadapt.adapters import ParameterReport
from monai_samadapt.adapters.inject import load_tensors
from monai_samadapt.adapters.report import count
from monai_samadapt.backbones import variant_sizes


class TrainedParts(nn.Module):
    """A module of which an explicit list of parameters is trained, and the rest are base weights.

    Attributes:
        method: name of the method.
        variant: of the base.
        sam: the adapted SAM or SAM2, which knows where its base weights came from.
    """

    method: str
    variant: str
    sam: Any

    @abstractmethod
    def unmerge(self) -> None:
        """Go back to separate adapters."""

    @abstractmethod
    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """The trained parameters by part of the method, then by full name: the explicit list."""

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """All trained parameters by full name."""
        return {name: value for part in self.trainable_parts().values() for name, value in part.items()}

    def unreached_parameters(self) -> set[str]:
        """Names of trained parameters that no output depends on: they have no gradient and stay as they are."""
        return set()

    def parameter_report(self) -> ParameterReport:
        """Counts of trained parameters by part, and their share of the base.

        The base is SAM at its published image size, or the whole SAM2, memory modules included.
        """
        parts = {name: count(part.values()) for name, part in self.trainable_parts().items()}
        return ParameterReport(parts, variant_sizes(self.variant).parameters)

    def start_report(self) -> str:
        """What a training run prints first."""
        return f"{self.method} {self.parameter_report()}"

    def method_buffers(self) -> dict[str, Tensor]:
        """Tensors that are not trained by gradients and that the base weights do not hold."""
        return {}

    def adapter_state(self) -> dict[str, Tensor]:
        """Copies of all the base weights do not hold: what ``adapter.safetensors`` stores."""
        tensors = {**self.trainable_parameters(), **self.method_buffers()}
        return {name: value.detach().cpu().clone() for name, value in tensors.items()}

    def load_adapter_state(self, state: dict[str, Tensor]) -> None:
        """Load what :meth:`adapter_state` gave, strictly."""
        self.unmerge()
        load_tensors({**self.trainable_parameters(), **self.method_buffers()}, state)

    @property
    def base_record(self) -> dict[str, Any] | None:
        """Where the base weights came from; None for a network that takes them from a state dict."""
        return None if self.sam.base_weights is None else asdict(self.sam.base_weights)

    @property
    def base_sha256(self) -> str | None:
        """SHA-256 of the base weights."""
        return None if self.sam.base_weights is None else self.sam.base_weights.sha256


def named(prefix: str, module: nn.Module) -> dict[str, nn.Parameter]:
    """A module's parameters by full name."""
    return {f"{prefix}.{name}": value for name, value in module.named_parameters()}
