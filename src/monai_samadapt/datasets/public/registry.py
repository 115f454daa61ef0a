"""All public data sets that `samadapt prepare` knows, by name."""

from __future__ import annotations

from monai_samadapt.datasets.public import disc_sets, vessels
from monai_samadapt.datasets.public.describe import PublicSet

SETS: dict[str, PublicSet] = {entry.name: entry for entry in (*vessels.SETS, *disc_sets.SETS)}
