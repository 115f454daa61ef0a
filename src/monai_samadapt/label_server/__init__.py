"""MONAI Label: what serves packed bundles. Only `folder` can be imported without the package ``monailabel``."""
