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
    if schema is True:  # anything goes
        return []
    root = root or schema
    found = []
    for keyword, says in schema.items():
        if keyword in SILENT:
            continue
        found += _check(keyword, says, value, schema, root, at)
    return found


def _check(keyword, says, value, schema, root, at):
    if keyword in OF_OBJECTS:  # a keyword speaks of its own kind of value only
        return _check_object(keyword, says, value, schema, root, at) if isinstance(value, dict) else []
    if keyword in OF_ARRAYS:
        return _check_array(keyword, says, value, root, at) if isinstance(value, list) else []
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
        case _:
            raise ValueError(f"{keyword} is not understood")


def _check_object(keyword, says, value, schema, root, at):
    if keyword == "required":
        return [f"{at}: {name} is missing" for name in says if name not in value]
    if keyword == "properties":
        schemas = {name: says[name] for name in says if name in value}
    else:
        schemas = {name: says for name in value if name not in schema.get("properties", {})}
    return [problem for name, one in schemas.items() for problem in problems(value[name], one, root, f"{at}.{name}")]


def _check_array(keyword, says, value, root, at):
    if keyword in {"minItems", "maxItems"}:
        fits = len(value) >= says if keyword == "minItems" else len(value) <= says
        return [] if fits else [f"{at}: {len(value)} items"]
    schemas = says if keyword == "prefixItems" else [says] * len(value)
    pairs = enumerate(zip(schemas, value, strict=False))
    return [problem for n, (one, item) in pairs for problem in problems(item, one, root, f"{at}[{n}]")]
