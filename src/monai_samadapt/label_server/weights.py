"""Whether the weights of a packed bundle are those of its network."""

from __future__ import annotations

from pathlib import Path

from monai.bundle import ConfigParser

from monai_samadapt.engines.artefacts import load_weights
from monai_samadapt.run_files import MODEL


def check_weights(bundle: Path) -> None:
    """Load ``models/model.pt`` strictly into the network that the bundle's inference builds.

    MONAI's own app loads what fits and only warns, so that a network without its weights would be served.

    Raises:
        SamAdaptError: naming the file and the first entry that differs.
    """
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    parser["bundle_root"] = str(bundle)
    load_weights(parser.get_parsed_content("network_def"), str(bundle / "models" / MODEL))
