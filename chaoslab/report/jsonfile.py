"""report.json: the report as data, for scripts and CI jobs."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from chaoslab.report.model import SCHEMA, Report

NAME = "report.json"


def render(report: Report) -> str:
    """Return the report as JSON, in the order of the contract."""
    return json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of report.json; schema.json beside this file is its copy for other tools."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": SCHEMA,
        **Report.model_json_schema(by_alias=True, mode="serialization", schema_generator=_Untitled),
    }


def schema_text() -> str:
    """Return what schema.json has to hold."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
