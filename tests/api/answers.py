"""Compares answers of every kind with their schemas in the description: whole documents,
and streams line by line and event by event.

    COCOON_URL=http://… COCOON_TOKEN=… answers.py openapi.json

The service has a deadline of about a second, and lists at most 1000 numbers.
"""

import json
import os
import sys
import urllib.error
import urllib.request

from jsonschema import Draft202012Validator

TIMEOUT_S = 60

KINDS = [
    "factorial",
    "double",
    "multi:3",
    "multi:4294967295",
    "subfactorial",
    "primorial",
    "superfactorial",
    "hyperfactorial",
    "alternating",
]
FORMATS = ["decimal", "scientific:1", "scientific:20", "scientific:1000"]

JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
PROBLEM = "application/problem+json"


def get(path, accept=JSON):
    return "get", path, {"Accept": accept}, None


def batch(*lines):
    body = "".join(line + "\n" for line in lines).encode()
    return "post", "/batch", {"Content-Type": NDJSON}, body


# The path in the description, the request, and the expected status.
CASES = [
    *(
        ("/factorial/{n}", get(f"/factorial/20?kind={kind}&format={format}"), 200)
        for kind in KINDS
        for format in FORMATS
    ),
    # Graded verified, and streamed.
    ("/factorial/{n}", get("/factorial/60000"), 200),
    ("/factorial/{n}", get("/factorial/60000?proved=true"), 200),
    ("/factorial/{n}", get("/factorial/18446744073709551615?format=scientific:5"), 200),
    *(("/info/{n}", get(f"/info/1000?kind={kind}"), 200) for kind in KINDS),
    ("/kinds/{n}", get("/kinds/20"), 200),
    *(("/factorials/{n}", get(f"/factorials/{n}", NDJSON), 200) for n in (0, 1, 40)),
    *(("/factorials/{n}", get(f"/factorials/{n}", EVENTS), 200) for n in (0, 1, 40)),
    (
        "/batch",
        batch(
            '{"n": 20}',
            '{"n": 20, "kind": "multi:3", "format": "scientific:5", "proved": true}',
            '{"n": 30000}',
            '{"n": -1}',
            '{"n": 20, "kind": "triple"}',
            "no JSON",
            '{"n": 20, "timeout": null}',
            '{"n": 1000000000000}',
            '{"n": 150000, "timeout": "1ms"}',
        ),
        200,
    ),
    ("/factorial/{n}", get("/factorial/x"), 400),
    ("/factorial/{n}", get("/factorial/20?kind=triple"), 400),
    ("/factorial/{n}", get("/factorial/20", "image/png"), 406),
    ("/factorial/{n}", get("/factorial/1000000000000"), 422),
    ("/factorial/{n}", get("/factorial/150000?timeout=1ms"), 504),
    ("/factorials/{n}", get("/factorials/1001", NDJSON), 422),
    ("/info/{n}", get("/info/x"), 400),
    ("/kinds/{n}", get("/kinds/x"), 400),
    ("/batch", ("post", "/batch", {"Content-Type": "image/png"}, b"{}"), 415),
    ("/batch", ("post", "/batch", {}, None), 400),
]


class Description:
    def __init__(self, document):
        self.document = document

    def resolved(self, part):
        while "$ref" in part:
            found = self.document
            for key in part["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            part = found
        return part

    def schema(self, path, method, status, media_type):
        responses = self.document["paths"][path][method]["responses"]
        content = self.resolved(responses[str(status)])["content"]
        return content[media_type]["schema"]

    def check(self, value, schema):
        # References point to the components, so these are at the root.
        root = {**schema, "components": self.document["components"]}
        Draft202012Validator(root).validate(value)

    def check_event(self, event, schema):
        """Checks an event, and the JSON in its data by the schema of that content."""
        self.check(event, schema)
        kinds = map(self.resolved, self.resolved(schema)["oneOf"])
        kind = next(
            kind
            for kind in kinds
            if kind["properties"]["event"]["enum"] == [event["event"]]
        )
        content = kind["properties"]["data"]["contentSchema"]
        self.check(json.loads(event["data"]), content)


def answer(request):
    method, path, headers, body = request
    token = os.environ.get("COCOON_TOKEN")
    if token:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(
        os.environ["COCOON_URL"] + path, data=body, headers=headers, method=method.upper()
    )
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        media_type = response.headers["Content-Type"].split(";")[0]
        return response.status, media_type, response.read().decode()


def events(text):
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":"
        )
        if fields:
            yield fields


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        description = Description(json.load(file))
    checked = 0
    for path, request, expected in CASES:
        status, media_type, text = answer(request)
        assert status == expected, f"{request}: expected {expected}, got {status}: {text}"
        schema = description.schema(path, request[0], status, media_type)
        if media_type == NDJSON:
            parts = [json.loads(line) for line in text.splitlines()]
        elif media_type == EVENTS:
            parts = list(events(text))
        else:
            assert media_type in (JSON, PROBLEM), f"{request}: {media_type}"
            parts = [json.loads(text)]
        assert parts, f"{request}: an empty answer"
        for part in parts:
            if media_type == EVENTS:
                description.check_event(part, schema)
            else:
                description.check(part, schema)
            checked += 1
    print(f"{len(CASES)} answers of {checked} parts have their schemas")


main()
