"""What every request passes: its id, the key, the limits of how many and how long, and the count."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from framework_core.serving.figures import Figures
from framework_core.serving.limits import Limits, Refused

OPEN = ("/health", "/ping", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json", "/offline-docs/")
"""What is answered without a key."""

REQUEST = "framework.request_id"
"""Where the id of a request stands in its scope."""

REQUEST_ID = re.compile(r"[\w.:-]{1,128}")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_log = logging.getLogger("framework_core")


class Gate:
    """Stands before the application.

    Args:
        app: The application.
        keys: Who may ask; empty lets everybody.
        limits: How many requests, and how long.
        figures: Told of every request.
        paths: The paths that are counted by their own names.
    """

    def __init__(
        self, app: Any, *, keys: Collection[str], limits: Limits, figures: Figures, paths: Collection[str]
    ) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]
        self._limits = limits
        self._figures = figures
        self._paths = frozenset(paths)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        request_id = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        scope[REQUEST] = request_id
        answer = _Answer(send, request_id)
        try:
            await self._pass(scope, receive, answer, headers)
        except Refused as refused:
            await answer.refuse(scope, refused)
        except ClientDisconnect:
            answer.status = 499  # nginx's word for it: nobody is there to be told
        except Exception as error:  # noqa: BLE001  # the server goes on, whatever one request does
            _log.exception("Request %s ended in an error", request_id, exc_info=error)
            await answer.refuse(scope, Refused(500, "The server made a mistake; its log tells more."))
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._figures.requests.labels(path, answer.status).inc()
        self._figures.seconds.labels(path).observe(time.perf_counter() - began)

    async def _pass(self, scope: Scope, receive: Receive, answer: _Answer, headers: Headers) -> None:
        path = scope["path"]
        if not path.startswith(OPEN) and not self._allowed(headers):
            raise Refused(
                401, "This server wants a key: Authorization: Bearer KEY.", headers={"www-authenticate": "Bearer"}
            )
        if scope["method"] != "POST":
            await self._app(scope, receive, answer)
            return
        if self._under_way >= self._limits.waiting:
            message = f"{self._limits.waiting} requests are under way already; try again."
            raise Refused(503, message, close=True, headers={"retry-after": "1"})
        self._under_way += 1
        self._figures.under_way.set(self._under_way)
        try:
            await asyncio.wait_for(self._app(scope, receive, answer), self._limits.seconds)
        except asyncio.TimeoutError as error:  # another class up to Python 3.10
            raise Refused(504, f"There was no answer within {self._limits.seconds:g} seconds.", close=True) from error
        finally:
            self._under_way -= 1
            self._figures.under_way.set(self._under_way)

    def _allowed(self, headers: Mapping[str, str]) -> bool:
        if not self._keys:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = (token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")).encode()
        # Every key is compared whole, so that the time tells nothing.
        return any([hmac.compare_digest(given, key) for key in self._keys])  # noqa: C419


class _Answer:
    """Sends an answer with its id."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]}
        await self._send(message)

    async def refuse(self, scope: Scope, refused: Refused) -> None:
        """Say why there is no other answer, where nothing was said yet."""
        if self.status:
            return
        response = refusal(scope, refused)
        await self({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": response.body})


def refusal(scope: Mapping[str, Any], refused: Refused) -> JSONResponse:
    """An answer that says no, in the words of the protocol that was asked in."""
    said = {"request_id": scope[REQUEST]}
    if scope["path"] == "/invocations":
        code = "BAD_REQUEST" if refused.status < 500 else "INTERNAL_ERROR"
        said = {"error_code": code, "message": refused.message, **said}
    else:
        said = {"error": refused.message, **said}
    return JSONResponse(said, refused.status, refused.headers)
