"""Calls a service with the client that openapi-python-client generates from its description.

Reads the service's address and token from COCOON_URL and COCOON_TOKEN. Exits with an error
at the first answer that differs.
"""

import json
import math
import os

from cocoon_client import AuthenticatedClient
from cocoon_client.api.default import batch, factorial, factorials, info, kinds, ready
from cocoon_client.models import BatchRequest, Grade, KindType0, LineProblem, Number, Problem


def expect(what, seen, expected):
    """Exits if an answer differs."""
    if seen != expected:
        raise SystemExit(f"{what}: expected {expected!r}, got {seen!r}")


def main():
    def asking(token=os.environ["COCOON_TOKEN"], **headers):
        return AuthenticatedClient(os.environ["COCOON_URL"], token=token, headers=headers)

    client = asking()

    expect("a number as text", factorial.sync(20, client=client), str(math.factorial(20)))

    answer = factorial.sync_detailed(
        30,
        client=asking(Accept="application/json"),
        kind="multi:3",
        format_="scientific:3",
        proved=True,
    )
    number = Number.from_dict(json.loads(answer.content))
    expect("a number as JSON", (number.n, number.kind, number.value), (30, "multi:3", "2.14e+11"))
    expect("its grade", number.grade, Grade.PROVED)

    facts = info.sync(100, client=client, kind=KindType0.FACTORIAL)
    expect("facts", (facts.n, facts.digits), (100, len(str(math.factorial(100)))))

    named = {one.kind: one.value for one in kinds.sync(5, client=client)}
    expect("kinds", (named[KindType0.FACTORIAL], named["multi:3"], len(named)), ("120", "10", 8))

    line = batch.sync(client=client, body=BatchRequest(n=6, kind=KindType0.DOUBLE))
    expect("a line of a batch", (type(line), line.value), (Number, "48"))
    line = batch.sync(client=client, body=BatchRequest(n=6, timeout="never"))
    expect("a refused line", (type(line), line.problem.status), (LineProblem, 400))

    problem = factorial.sync(5, client=client, kind="treble")
    expect("a problem", (type(problem), problem.status), (Problem, 400))
    problem = factorials.sync(1 << 63, client=client)
    expect("a limit", (problem.status, problem.limit), (422, "list-items"))
    expect("a wrong token", factorial.sync(5, client=asking(token="another")).status, 401)
    expect("readiness", ready.sync_detailed(client=client).status_code, 200)
    print("all answers were as described")


main()
