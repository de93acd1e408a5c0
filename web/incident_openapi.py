"""The description of what is asked about incidents, and done with them, made from the types that answer."""

from typing import Any, Final

import msgspec

from store.queries.parameters import is_list, meanings_of
from web.incident_answers import (
    AcknowledgeWords,
    AskedSilence,
    EventsAnswer,
    EventsParameters,
    IncidentAnswer,
    IncidentsAnswer,
    IncidentsParameters,
    SilenceRow,
    SilencesAnswer,
)

#: Types whose shapes are among the components.
TYPES: Final = (
    IncidentsAnswer,
    IncidentAnswer,
    EventsAnswer,
    SilencesAnswer,
    SilenceRow,
    AskedSilence,
    AcknowledgeWords,
)
_REFERENCE: Final = "#/components/schemas/{name}"


def incident_paths(error: dict[str, Any]) -> dict[str, Any]:
    """Paths with what can be done at each.

    :param error: the response when something is wrong.
    """
    one, silence = _in_path("id", "of an incident"), _in_path("id", "of a silence")
    said = _does("acknowledge", "somebody looks at an incident", error, IncidentAnswer, AcknowledgeWords)
    asked = _does(
        "silence", "nobody is told of what matches, for a time", error, SilenceRow, AskedSilence, 201
    )
    lift = _does("lift", "end a silence", error, None, status=204)
    listed = _does("incidents", "open incidents, and those that are over", error, IncidentsAnswer)
    whole = _does("incident", "one incident: message, cause, edges, timeline", error, IncidentAnswer)
    happened = _does("events", "what happened to edges and is no alarm", error, EventsAnswer)
    held = _does("silences", "silences that hold now or will", error, SilencesAnswer)
    return {
        "/api/v1/incidents": {"get": listed | {"parameters": _parameters(IncidentsParameters)}},
        "/api/v1/incidents/{id}": {"get": whole | {"parameters": [one]}},
        "/api/v1/incidents/{id}/acknowledge": {"post": said | {"parameters": [one]}},
        "/api/v1/events": {"get": happened | {"parameters": _parameters(EventsParameters)}},
        "/api/v1/silences": {"get": held | {"parameters": []}, "post": asked | {"parameters": []}},
        "/api/v1/silences/{id}": {"delete": lift | {"parameters": [silence]}},
    }


def _does(
    name: str,
    what: str,
    error: dict[str, Any],
    answer: type | None,
    body: type | None = None,
    status: int = 200,
) -> dict[str, Any]:
    good: dict[str, Any] = {"description": what}
    if answer is not None:
        good["content"] = {"application/json": {"schema": _envelope(answer)}}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": what,
        "responses": {str(status): good, "default": error},
    }
    if body is not None:
        schema = {"$ref": _REFERENCE.format(name=body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _envelope(answer: type) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "v": {"const": 1},
            "window": {"type": "null"},
            "against": {"type": "null"},
            "ledger": {"$ref": _REFERENCE.format(name="Ledger")},
            "data": {"$ref": _REFERENCE.format(name=answer.__name__)},
        },
        "required": ["v", "window", "against", "ledger", "data"],
    }


def _in_path(name: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": meaning,
        "schema": {"type": "string"},
    }


def _parameters(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    held = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    meanings = meanings_of(kind)
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "description": meanings[field.name],
            "schema": held[field.encode_name],
        }
        | ({"explode": True} if is_list(field.type) else {})
        for field in msgspec.structs.fields(kind)
    ]
