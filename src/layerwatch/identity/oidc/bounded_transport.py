"""The provider's answers, bounded in size and time, whatever the library that asks does with them."""

from __future__ import annotations

import asyncio

import httpx2

from layerwatch.core import outgoing
from layerwatch.core.egress import ANYWHERE

MAX_ANSWER_BYTES = 256 * 1024
"""Of one answer with its head. The largest key sets of public providers have some 20 KB."""


class BoundedTransport(httpx2.BaseTransport):
    """One request within `outgoing.DEADLINE_S` and `MAX_ANSWER_BYTES`; for a thread without an event loop.

    Compressed answers are not accepted: a small one may unpack to any size. Raises httpx2.TransportError.
    """

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """As httpx2's transports do."""
        request.headers["Accept-Encoding"] = "identity"
        try:
            answer = asyncio.run(
                outgoing.fetch(
                    request.method,
                    str(request.url),
                    dict(request.headers.raw),
                    request.read(),
                    ANYWHERE,
                    MAX_ANSWER_BYTES,
                )
            )
        except outgoing.RequestFailed as error:
            raise httpx2.TransportError(str(error), request=request) from error
        if any(name.lower() == b"content-encoding" for name, _ in answer.headers):
            raise httpx2.TransportError("the answer is compressed", request=request)
        return httpx2.Response(answer.status, headers=list(answer.headers), content=answer.body)
