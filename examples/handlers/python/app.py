"""page: renders Markdown as HTML. `POST /` takes the text, and `GET /` returns an example."""

import markdown

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingBody,
    IncomingRequest,
    Method_Get,
    Method_Post,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

# The longest text that is rendered.
TEXT_BYTES = 1 << 20
# The most that one read returns.
BLOCK_BYTES = 64 << 10
# The most that WASI takes in one write.
WRITE_BYTES = 4096

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

EXAMPLE = """# Markdown

| language | handler |
| --- | --- |
| Rust | `facts` |
| Python | `page` |

Post your own *text* to this address.
"""

# Loads the extensions into the snapshot that each request starts from.
RENDERER = markdown.Markdown(extensions=["markdown.extensions.extra"], output_format="html")
RENDERER.convert(EXAMPLE)


class TooLong(Exception):
    pass


def read(request: IncomingRequest) -> str:
    body = request.consume()
    blocks = []
    length = 0
    with body.stream() as stream:
        while True:
            try:
                block = stream.blocking_read(BLOCK_BYTES)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    break
                raise
            length += len(block)
            if length > TEXT_BYTES:
                raise TooLong
            blocks.append(block)
    IncomingBody.finish(body)
    return b"".join(blocks).decode()


def respond(request: IncomingRequest) -> tuple[int, str, str]:
    """Returns the status, the content type and the text of a response."""
    if (request.path_with_query() or "/").split("?")[0] != "/":
        return 404, TEXT, "expected the path /\n"
    match request.method():
        case Method_Get():
            text = EXAMPLE
        case Method_Post():
            try:
                text = read(request)
            except TooLong:
                return 413, TEXT, f"expected at most {TEXT_BYTES} bytes\n"
            except UnicodeDecodeError as error:
                return 400, TEXT, f"expected UTF-8: {error.reason} at byte {error.start}\n"
        case _:
            return 405, TEXT, "expected the method GET or POST\n"
    return 200, HTML, RENDERER.reset().convert(text) + "\n"


def send(response_out: ResponseOutparam, status: int, kind: str, text: str) -> None:
    content = text.encode()
    headers = [("content-type", kind.encode()), ("content-length", b"%d" % len(content))]
    if status == 405:
        headers.append(("allow", b"GET, POST"))
    response = OutgoingResponse(Fields.from_list(headers))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    with body.write() as stream:
        for at in range(0, len(content), WRITE_BYTES):
            stream.blocking_write_and_flush(content[at : at + WRITE_BYTES])
    OutgoingBody.finish(body, None)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        send(response_out, *respond(request))
