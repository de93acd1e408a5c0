"""The description of the API for programs, made from the types that answer."""

from typing import Any, Final

import msgspec

from model.version import VERSION
from store.queries.answers import Ledger, Period
from store.queries.parameters import is_list, meanings_of
from store.queries.questions import QUESTIONS, Question
from web.incident_openapi import TYPES, incident_paths

_REFERENCE: Final = "#/components/schemas/{name}"
_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("code", "message", "hint")},
            "required": ["code", "message", "hint"],
        }
    },
    "required": ["error"],
}
_FORMS: Final = {"map": ("image/svg+xml", "text/vnd.graphviz")}


def openapi() -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [Period, Ledger, *(question.answer for question in QUESTIONS.values()), *TYPES]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, Any] = {
        f"/api/v1/{name}": {"get": _operation(question)} for name, question in QUESTIONS.items()
    }
    paths |= incident_paths(_error())
    paths["/api/v1/stream"] = {"get": _stream(QUESTIONS["map"])}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tailrace", "version": VERSION, "description": "Who talks to whom, and how well."},
        "paths": paths,
        "components": {
            "schemas": schemas | {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(question: Question) -> dict[str, Any]:
    answer = {
        "type": "object",
        "properties": {
            "v": {"const": 1},
            "window": {"$ref": "#/components/schemas/Period"},
            "against": {"anyOf": [{"$ref": "#/components/schemas/Period"}, {"type": "null"}]},
            "ledger": {"$ref": "#/components/schemas/Ledger"},
            "data": {"$ref": f"#/components/schemas/{question.answer.__name__}"},
        },
        "required": ["v", "window", "against", "ledger", "data"],
    }
    content: dict[str, Any] = {
        "application/json": {"schema": answer},
        "text/csv": {"schema": {"type": "string"}},
    }
    content |= {form: {"schema": {"type": "string"}} for form in _FORMS.get(question.name, ())}
    return {
        "operationId": question.name,
        "summary": question.purpose,
        "parameters": [*parameters(question), _form(question)],
        "responses": {"200": {"description": question.purpose, "content": content}, "default": _error()},
    }


def _stream(question: Question) -> dict[str, Any]:
    when = {"from", "to", "at", "against"}
    return {
        "operationId": "stream",
        "summary": "the map, once a second",
        "parameters": [each for each in parameters(question) if each["name"] not in when],
        "responses": {
            "200": {
                "description": "server-sent events: map, delta, error",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "default": _error(),
        },
    }


def _error() -> dict[str, Any]:
    return {
        "description": "what is wrong, and what to do",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _form(question: Question) -> dict[str, Any]:
    forms = ["json", "csv", *(["svg", "dot"] if question.name in _FORMS else [])]
    return {"name": "format", "in": "query", "schema": {"enum": forms}, "description": "instead of Accept"}


def parameters(question: Question) -> list[dict[str, Any]]:
    """Those of a question, each with its meaning, bounds and default."""
    schema = msgspec.json.schema(question.parameters, ref_template=_REFERENCE)
    held = schema["$defs"][question.parameters.__name__]["properties"]
    meanings = meanings_of(question.parameters)
    found = []
    for field in msgspec.structs.fields(question.parameters):
        found.append(
            {
                "name": field.encode_name,
                "in": "query",
                "description": meanings.get(field.name, ""),
                "schema": held[field.encode_name],
            }
            | ({"explode": True} if is_list(field.type) else {})
        )
    return found
