"""Hooks that add streams of lines and of events to Schemathesis.

Each line of a stream, and each event, is checked against its schema. A line of a batch that
violates its schema is refused in its place, in a response with status 200.
"""

import json

import jsonschema_rs
import schemathesis

NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"

# Statuses of valid requests, since this service has low limits.
LIMITED = (422, 503, 504)


@schemathesis.serializer(NDJSON)
def one_line(_context, value):
    """A body of one line."""
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer(NDJSON)
def first_line(_context, response):
    """The first line, which Schemathesis itself checks. The rest is checked below."""
    return json.loads(response.content.split(b"\n", 1)[0])


@schemathesis.check
def every_item_conforms(_context, response, case):
    """Every line, and every event with its data, has the schema of its stream."""
    document, described = description_of(case)
    content = described["responses"].get(str(response.status_code), {}).get("content", {})
    media = response.headers.get("content-type", [""])[0]
    if media not in (NDJSON, EVENTS) or media not in content:
        return
    validator = validator_of(document, content[media]["schema"])
    for item in lines_of(response) if media == NDJSON else events_of(response):
        validator.validate(item)
        if media == EVENTS:
            event = document["components"]["schemas"][item["event"].capitalize() + "Event"]
            data = validator_of(document, event["properties"]["data"]["contentSchema"])
            data.validate(json.loads(item["data"]))


@schemathesis.check
def wrong_lines_are_refused(_context, response, case):
    """The answer to a line has status 400 if the line is invalid, and only then."""
    document, described = description_of(case)
    body = described.get("requestBody", {}).get("content", {}).get(NDJSON)
    if body is None or response.status_code != 200:
        return
    is_right = validator_of(document, body["schema"]).is_valid(case.body)
    problem = first_line(None, response).get("problem")
    status = problem["status"] if problem else 200
    allowed = (200, *LIMITED) if is_right else (400,)
    assert status in allowed, f"expected one of {allowed} for {case.body!r}, got {status}"


def description_of(case):
    """The whole document, and the operation's part of it."""
    document = case.operation.schema.raw_schema
    return document, document["paths"][case.operation.path][case.operation.method.lower()]


def validator_of(document, schema):
    """A validator for a schema that refers to the components of the document."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


def lines_of(response):
    """The values of a stream of lines."""
    return [json.loads(line) for line in response.content.splitlines()]


def events_of(response):
    """The events of a stream, their data as text."""
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        fields = [line.split(": ", 1) for line in block.split("\n") if not line.startswith(":")]
        if fields:
            yield dict(fields)
