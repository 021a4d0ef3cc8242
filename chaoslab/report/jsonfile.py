"""report.json: the report as data, for scripts and CI jobs."""

import json

from chaoslab.report.model import Report

NAME = "report.json"


def render(report: Report) -> str:
    """Return the report as JSON, in the order of the contract."""
    return json.dumps(report.to_json(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
