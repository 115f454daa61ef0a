"""Build SAM2 from upstream's own modules, for any image size, without Hydra's global state."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.overrides import TorchFunctionMode

from monai_samadapt.backbones.base import LoadedBase, zeros_on
from monai_samadapt.backbones.loading import load_strictly, read_state, state_sha256
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.backbones.variants import Sam2Variant, sam2_variant, sam2_version_of
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import sha256

VERSIONS = {"2.0": "sam2/sam2", "2.1": "sam2.1/sam2.1"}


def build_sam2(variant: str, image_size: int, checkpoint: str | None, version: str = "2.1", seed: int = 0) -> Any:
    """Build SAM2 with upstream's modules and state-dict keys.

    Args:
        variant: ``hiera_t``, ``hiera_s``, ``hiera_b+``, ``hiera_l`` or ``hiera_nano``.
        image_size: side of the square input in pixels, divisible by 32.
        checkpoint: a path, a name of the registry, ``random``, or None for a network whose weights come from a later
            ``load_state_dict`` (its parameters are zero; on the meta device they stay there).
        version: ``2.0`` or ``2.1``.
        seed: of the initial state when ``checkpoint`` is ``random``; the caller's random state is left alone.

    Returns:
        ``SAM2Base`` in evaluation mode, with an attribute ``base_weights`` (:class:`LoadedBase`, or None). No weight
        depends on the image size.

    Raises:
        SamAdaptError: for an unknown variant or version, a wrong image size, or weights that do not fit.
    """
    config = _config(sam2_variant(variant), image_size, version)
    if checkpoint == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sam = instantiate(config, _recursive_=True)
        return _finish(sam, image_size, LoadedBase(variant, image_size, "random", state_sha256(sam), seed))
    target = torch.get_default_device()
    with torch.device("meta"), _ConstantsOnHost():
        sam = instantiate(config, _recursive_=True)
    if checkpoint is None:
        return _finish(sam if target.type == "meta" else zeros_on(sam, target), image_size, None)
    resolved = resolve_checkpoint(checkpoint, "sam2", variant)
    assert resolved.path is not None
    state = read_state(resolved.path)
    check_version(state, version, checkpoint)
    load_strictly(sam, state, variant, checkpoint)
    digest = resolved.sha256 or sha256(resolved.path)
    return _finish(sam, image_size, LoadedBase(variant, image_size, checkpoint, digest))


def check_version(state: Mapping[str, Tensor], version: str, source: str) -> None:
    """Refuse the weights of another version.

    Raises:
        SamAdaptError: naming the version to set.
    """
    if (found := sam2_version_of(state)) != version:
        raise SamAdaptError("checkpoint", source, f"holds SAM {found}, not {version}", f"set sam2_version {found}")


def _config(sizes: Sam2Variant, image_size: int, version: str) -> DictConfig:
    """The model's part of upstream's yaml file, read without a Hydra application."""
    if version not in VERSIONS:
        raise SamAdaptError("sam2_version", version, "is unknown", f"choose one of {', '.join(VERSIONS)}")
    if image_size < 64 or image_size % 32:
        raise SamAdaptError("image_size", image_size, "not a multiple of 32 of at least 64", "give e.g. 512 or 1024")
    spec = find_spec("sam2")
    if spec is None or spec.origin is None:
        raise SamAdaptError("variant", sizes.config, "the sam2 package is missing", "pip install sam2")
    file = Path(spec.origin).parent / "configs" / f"{VERSIONS[version]}_{sizes.config}.yaml"
    config = OmegaConf.merge(OmegaConf.load(file).model, sizes.overrides, {"image_size": image_size})
    for positions in (config.image_encoder.neck.position_encoding, config.memory_encoder.position_encoding):
        positions.warmup_cache = False  # else upstream computes sine positions on the GPU as it builds
    assert isinstance(config, DictConfig)
    return config


class _ConstantsOnHost(TorchFunctionMode):
    """On the meta device, keep the constants that upstream computes with while it builds: their values are needed."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.linspace, torch.arange):
            kwargs.setdefault("device", "cpu")
        return func(*args, **kwargs)


def _finish(sam: Any, image_size: int, base: LoadedBase | None) -> Any:
    from monai_samadapt.backbones.sam2_hiera import CheckpointedHiera  # sam2 is imported by now

    sam.image_encoder.trunk.__class__ = CheckpointedHiera
    sam.image_encoder.trunk.img_size = image_size
    sam.base_weights = base
    return sam.eval()
