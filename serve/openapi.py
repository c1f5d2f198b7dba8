"""The interface's description: schemas come from the very structs that decode and encode.

Routes name their structs with `takes` and `gives`; `install` puts the schemas into the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serve.problems import AS_OF_HEADER, MEDIA_TYPE, Problem

Description = dict[str, Any]
Responses = dict[int | str, Description]

_TEMPLATE = "#/components/schemas/{name}"


def _reference(kind: type) -> Description:
    return {"$ref": _TEMPLATE.format(name=kind.__name__)}


class Taken(Description):
    """The description of a body; `fields` are those that it has in each of its shapes."""

    fields: frozenset[str] = frozenset()


def takes(kind: type, example: Any) -> Taken:
    """Describe the body of a request; `example` is one that works."""
    return _taken(_reference(kind), (kind,), example)


def takes_one_of(kinds: Sequence[type], example: Any) -> Taken:
    """Describe a body whose shape depends on the path."""
    return _taken({"anyOf": [_reference(kind) for kind in kinds]}, kinds, example)


def _taken(schema: Description, kinds: Sequence[type], example: Any) -> Taken:
    content = {"application/json": {"schema": schema, "example": example}}
    taken = Taken(requestBody={"required": True, "content": content})
    taken.fields = frozenset.intersection(
        *(frozenset(field.encode_name for field in msgspec.structs.fields(kind)) for kind in kinds)
    )
    return taken


def gives(kind: type, description: str) -> Description:
    """Describe an answer."""
    schema = _reference(kind)
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def gives_list(kind: type, description: str) -> Description:
    """Describe an answer that is a list."""
    schema = {"type": "array", "items": _reference(kind)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def gives_any(kinds: Sequence[type], description: str) -> Description:
    """Describe an answer whose shape depends on the path."""
    schema = {"anyOf": [_reference(kind) for kind in kinds]}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def at_moment(answer: Description) -> Description:
    """Describe an answer that, asked for with `as_of`, is of the past."""
    header = {
        "description": "With `as_of`: the position of the log that the answer is of.",
        "schema": {"type": "integer"},
    }
    return {**answer, "headers": {**answer.get("headers", {}), AS_OF_HEADER: header}}


def problem(description: str) -> Description:
    """Describe an error."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _reference(Problem)}}}


#: What every protected route may answer.
COMMON_PROBLEMS: Responses = {
    401: problem("No service key, or one that is not known."),
    422: problem("The request has the wrong shape; `errors` tells where."),
    503: problem("Something is not there at the moment; see Retry-After."),
    504: problem("Not done in the time allowed."),
    "default": problem("Any other error."),
}
#: What routes with a body may answer besides.
BODY_PROBLEMS: Responses = {
    400: problem("The body is not JSON in UTF-8."),
    408: problem("The body did not arrive in time."),
    413: problem("The body is larger than the limit."),
    415: problem("The body is not application/json."),
}
MISSING: Responses = {404: problem("There is no such thing, or not for this user.")}


def structs_of(*modules: ModuleType) -> tuple[type, ...]:
    """Return the structs that are defined in `modules`."""
    return tuple(
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__module__ == module.__name__
    )


def install(app: FastAPI, kinds: Sequence[type]) -> None:
    """Let `app` describe itself, with the schemas of `kinds`."""

    def describe() -> Description:
        if app.openapi_schema is None:
            described = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _, schemas = msgspec.json.schema_components((*kinds, Problem), ref_template=_TEMPLATE)
            # FastAPI's own error shapes are never answered here.
            described.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
            for unused in ("HTTPValidationError", "ValidationError"):
                described["components"]["schemas"].pop(unused, None)
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way to extend it
