"""Exports of a run: for build servers, people, spreadsheets, programs, and Inspect AI."""

from __future__ import annotations

from ondol.application.evaluation.export.csv import csv_table
from ondol.application.evaluation.export.html import html_page
from ondol.application.evaluation.export.inspect_log import inspect_log
from ondol.application.evaluation.export.json import json_document
from ondol.application.evaluation.export.junit import junit_xml
from ondol.application.evaluation.export.quality import Quality, Source, quality_of, success_of
from ondol.application.evaluation.export.quality_html import quality_page
from ondol.application.evaluation.export.report import Report, Results, report_of

__all__ = [
    "Quality",
    "Report",
    "Results",
    "Source",
    "csv_table",
    "html_page",
    "inspect_log",
    "json_document",
    "junit_xml",
    "quality_of",
    "quality_page",
    "report_of",
    "success_of",
]
