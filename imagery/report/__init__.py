"""The report of an operation for the people who act on it: one self-contained HTML page."""

from imagery.report.language import LANGUAGES
from imagery.report.page import ReportResult, write_report
from imagery.report.source import ReportFiles

__all__ = ["LANGUAGES", "ReportFiles", "ReportResult", "write_report"]
