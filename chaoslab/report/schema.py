"""The JSON schema of report.json; schema.json beside this file is its copy for other tools."""

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from chaoslab.report.model import SCHEMA, Report


def schema() -> dict[str, Any]:
    """Return the schema."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": SCHEMA,
        **TypeAdapter(Report).json_schema(mode="serialization", schema_generator=_Untitled),
    }


def schema_text() -> str:
    """Return what schema.json has to hold."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
