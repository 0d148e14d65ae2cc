"""Minimal instances of JSON schemas."""

import math
from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "http://example.com/",
}


def minimal_instance(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """Return the smallest plain value that follows a schema.

    Covers the keywords of OpenAI's structured outputs except `pattern`: null where it is
    allowed, the first of several options, required properties only, no items beyond
    `minItems`, and the number nearest to zero.

    Args:
        schema: The schema.
        root: The document that references point into; `schema` itself by default.

    Raises:
        ValueError: No number follows the schema.
        RecursionError: The schema requires itself.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        return minimal_instance(_resolve(schema["$ref"], root), root)
    for keyword in ("anyOf", "oneOf"):
        if options := schema.get(keyword):
            nullable = any(option.get("type") == "null" for option in options)
            return None if nullable else minimal_instance(options[0], root)
    return _plain(schema, root)


def _plain(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    kinds = schema.get("type", "null")
    kind = kinds if isinstance(kinds, str) else min(kinds, key="null".__ne__)
    value: Any = False if kind == "boolean" else None
    match kind:
        case "object":
            properties = schema.get("properties", {})
            value = {
                name: minimal_instance(properties.get(name, {}), root)
                for name in schema.get("required", ())
            }
        case "array":
            items, prefix = schema.get("items", {}), schema.get("prefixItems", [])
            rest = [items] * (schema.get("minItems", 0) - len(prefix))
            value = [minimal_instance(item, root) for item in [*prefix, *rest]]
        case "string":
            value = _FORMATS.get(schema.get("format", ""), "x" * schema.get("minLength", 0))
        case "integer" | "number":
            value = _number(schema, whole=kind == "integer")
        case _:
            pass
    return value


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    step = schema.get("multipleOf", 1)
    candidates: list[float] = [0]
    if low > -math.inf:
        candidates += [math.ceil(low / step) * step, math.floor(low / step) * step + step]
    if high < math.inf:
        candidates += [math.floor(high / step) * step, math.ceil(high / step) * step - step]
    if not whole and "multipleOf" not in schema and high - low < math.inf:
        candidates += [(low + high) / 2]
    excluded = {schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")}
    for value in sorted(candidates, key=abs):
        if low <= value <= high and value not in excluded:
            return value
    raise ValueError(f"no number follows the schema {dict(schema)}")
