"""Pretraining of the small promptable bases on procedural images: ``python -m monai_samadapt.pretrain``."""
