"""Check data against a JSON schema: the keywords that our schemas use, and no others."""

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
OF_OBJECTS = {"required", "properties", "additionalProperties"}
OF_ARRAYS = {"items", "prefixItems", "minItems", "maxItems"}
SILENT = {"$defs", "$id", "$schema", "title", "description", "default"}


def problems(value, schema, root=None, at="$"):
    """Return what is wrong, each with its place.

    Raises:
        ValueError: the schema says something that is not understood here.
    """
    root = root or schema
    found = []
    for keyword, says in schema.items():
        if keyword in SILENT:
            continue
        found += _check(keyword, says, value, schema, root, at)
    return found


def _check(keyword, says, value, schema, root, at):
    if (keyword in OF_OBJECTS and not isinstance(value, dict)) or (
        keyword in OF_ARRAYS and not isinstance(value, list)
    ):
        return []  # a keyword speaks of its own kind of value only
    match keyword:
        case "$ref":
            return problems(value, root["$defs"][says.removeprefix("#/$defs/")], root, at)
        case "type":
            fits = isinstance(value, TYPES[says]) and not (isinstance(value, bool) and says in {"integer", "number"})
            return [] if fits else [f"{at}: {value!r} is not of type {says}"]
        case "const":
            return [] if value == says else [f"{at}: {value!r} is not {says!r}"]
        case "enum":
            return [] if value in says else [f"{at}: {value!r} is none of {says}"]
        case "anyOf":
            return [] if any(not problems(value, one, root, at) for one in says) else [f"{at}: {value!r} fits nothing"]
        case "required":
            return [f"{at}: {name} is missing" for name in says if name not in value]
        case "properties":
            return [
                p for name in says if name in value for p in problems(value[name], says[name], root, f"{at}.{name}")
            ]
        case "additionalProperties":
            others = [name for name in value if name not in schema.get("properties", {})]
            return [p for name in others for p in problems(value[name], says, root, f"{at}.{name}")]
        case "items":
            return [p for number, item in enumerate(value) for p in problems(item, says, root, f"{at}[{number}]")]
        case "prefixItems":
            return [p for one, item in zip(says, value, strict=False) for p in problems(item, one, root, at)]
        case "minItems" | "maxItems":
            fits = len(value) >= says if keyword == "minItems" else len(value) <= says
            return [] if fits else [f"{at}: {len(value)} items"]
        case _:
            raise ValueError(f"{keyword} is not understood")
