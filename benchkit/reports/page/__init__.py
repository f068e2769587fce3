"""The report: finished studies as one self-contained HTML page."""

from __future__ import annotations

from benchkit.reports.page.page import report_page, write_report_page

__all__ = ["report_page", "write_report_page"]
