"""A trained model, or an untrained base, as a MONAI bundle that needs no other file."""

from monai_samadapt.packing.bundle import pack_base, pack_run

__all__ = ["pack_base", "pack_run"]
