"""The report of an operation for the people who act on it: one self-contained HTML page, and a PDF."""

from imagery.report.source import ReportFiles
from imagery.report.write import ReportResult, write_report

__all__ = ["ReportFiles", "ReportResult", "write_report"]
