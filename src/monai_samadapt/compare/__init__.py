"""Compare methods on the same folds: a study's cells, their figures with paired tests, tables and a plot."""

from monai_samadapt.compare.report import ComparisonReport, comparison_report
from monai_samadapt.compare.run import compare
from monai_samadapt.compare.study import DataSet, Study
from monai_samadapt.compare.study_file import read_study

__all__ = ["ComparisonReport", "DataSet", "Study", "compare", "comparison_report", "read_study"]
