"""Reports of a run: tables of cases, summaries with intervals, overlay pictures and the manifest."""

from monai_samadapt.reports.cases import write_cases
from monai_samadapt.reports.evaluation import write_report
from monai_samadapt.reports.handler import ReportHandler
from monai_samadapt.reports.keeper import CaseKeeper
from monai_samadapt.reports.manifest import versions, write_manifest
from monai_samadapt.reports.overlay import save_overlay, volume_overlay
from monai_samadapt.reports.summary import summarise, write_summary
from monai_samadapt.reports.table import format_table

__all__ = [
    "CaseKeeper",
    "ReportHandler",
    "format_table",
    "save_overlay",
    "summarise",
    "versions",
    "volume_overlay",
    "write_cases",
    "write_manifest",
    "write_report",
    "write_summary",
]
