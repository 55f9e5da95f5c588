// proxy: forwards each request to the server that the variable UPSTREAM names, and adds the
// header `via` (RFC 9110) to the request and to the response. Bodies are streamed.

import { getEnvironment } from 'wasi:cli/environment@0.2.12';

const VIA = '1.1 proxy';
// Headers of one connection (RFC 9110), and those that `fetch` sets.
const CONNECTION = [
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

// Headers for the other side.
function forwarded(headers) {
  const copy = new Headers(headers);
  const named = (headers.get('connection') ?? '').split(',').map((name) => name.trim());
  for (const name of [...CONNECTION, ...named]) {
    if (name !== '') copy.delete(name);
  }
  copy.append('via', VIA);
  return copy;
}

function failure(status, detail) {
  return new Response(`${detail}\n`, {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  });
}

async function forward(request) {
  const upstream = new Map(getEnvironment()).get('UPSTREAM');
  if (upstream === undefined) {
    return failure(500, 'expected the variable UPSTREAM, such as http://127.0.0.1:8000');
  }
  const { pathname, search } = new URL(request.url);
  let response;
  try {
    response = await fetch(`${upstream}${pathname}${search}`, {
      method: request.method,
      headers: forwarded(request.headers),
      body: request.body,
      duplex: 'half',
    });
  } catch (error) {
    console.error(`${upstream}: ${error.message}`);
    return failure(502, 'expected a response of the upstream server, got none');
  }
  return new Response(response.body, {
    status: response.status,
    headers: forwarded(response.headers),
  });
}

addEventListener('fetch', (event) => event.respondWith(forward(event.request)));
