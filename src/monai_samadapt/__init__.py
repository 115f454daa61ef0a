"""Parameter-efficient adaptation of the Segment Anything models to medical images, as MONAI bundles."""

__version__ = "0.1.0"
