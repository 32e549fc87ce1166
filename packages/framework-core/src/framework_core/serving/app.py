"""The application: what is asked where, and what is documented of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

import framework_core
from framework_core.serving import protocols
from framework_core.serving.answering import Answering
from framework_core.serving.batching import Batcher
from framework_core.serving.current import Current
from framework_core.serving.documents import documented
from framework_core.serving.figures import Figures
from framework_core.serving.gate import Gate, refusal
from framework_core.serving.limits import Limits, Refused
from framework_core.serving.model import ServedModel
from framework_core.serving.prediction_log import PredictionLog

WORDS = {404: "There is nothing here; /docs shows what there is.", 405: "This address is asked in another way."}
INFER = "/v2/models/{name}/infer"
Protocol = Callable[[Request, ServedModel, Answering], Awaitable[protocols.Answer]]


def application(
    current: Current,
    figures: Figures,
    *,
    limits: Limits,
    keys: Collection[str] = (),
    threads: int = 4,
    log: PredictionLog | None = None,
) -> Gate:
    """The application of a server.

    Args:
        current: The model.
        figures: What is counted.
        limits: What a request may take.
        keys: Who may ask; empty lets everybody.
        threads: How many files are prepared at once.
        log: Where answers are noted; nowhere without it.
    """
    batcher = Batcher(max_batch=limits.batch, delay=limits.delay, observe=figures.batches.observe)
    answering = Answering(batcher, limits, threads, log)
    app = _application(current, answering)
    _add_health(app, current)
    _add_metadata(app, current)
    _add_answers(app, current, answering)

    @app.get("/metrics", tags=["server"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """What the server counts, for Prometheus."""
        return Response(figures.text(), media_type=figures.content_type)

    app.openapi_schema = documented(app.openapi(), current.model, keys=bool(keys), limits=limits)
    paths = [path for path in app.openapi_schema["paths"] if "{" not in path]
    return Gate(app, keys=keys, limits=limits, figures=figures, paths=paths)


def _application(current: Current, answering: Answering) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(current.watch())
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await answering.batcher.close()
        answering.close()

    app = FastAPIOffline(
        title=f"{current.model.name}",
        version=framework_core.__version__,
        summary="A trained model that answers.",
        redoc_url=None,
        static_url="/offline-docs",
        lifespan=lifespan,
    )

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = Refused(
                error.status_code, WORDS.get(error.status_code, f"{error.detail}."), headers=dict(error.headers or {})
            )
        if not isinstance(error, Refused):
            error = Refused(500, "The server made a mistake; its log tells more.")
        return refusal(request.scope, error)

    for kind in (Refused, HTTPException, Exception):
        app.add_exception_handler(kind, refused)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("docs")

    return app


def _add_health(app: FastAPI, current: Current) -> None:
    def alive() -> dict[str, bool]:
        """The server runs."""
        return {"live": True}

    def ready() -> dict[str, bool]:
        """A model is loaded, and has answered its golden samples."""
        return {"ready": True}

    app.get("/v2/health/live", tags=["health"], operation_id="live")(alive)
    app.get("/v2/health/ready", tags=["health"], operation_id="ready")(ready)
    for path in ("/ping", "/health"):
        app.get(path, tags=["health"], operation_id=path[1:])(ready)

    @app.get("/version", tags=["server"])
    async def version() -> dict[str, str]:
        """The version of the framework, and of the model."""
        return {"framework": framework_core.__version__, "model": current.model.version}


def _add_metadata(app: FastAPI, current: Current) -> None:
    @app.get("/v2", tags=["Open Inference Protocol"])
    async def server() -> dict[str, Any]:
        """The name and the version of the server, and what of the protocol it has."""
        return {"name": "framework-core", "version": framework_core.__version__, "extensions": []}

    @app.get("/v2/models/{name}", tags=["Open Inference Protocol"])
    async def model(name: str) -> dict[str, Any]:
        """What the model takes and gives."""
        return protocols.metadata(_named(current, name))

    @app.get("/v2/models/{name}/ready", tags=["Open Inference Protocol"])
    async def model_ready(name: str) -> dict[str, Any]:
        """Whether the model is ready."""
        return {"name": _named(current, name).name, "ready": True}


def _add_answers(app: FastAPI, current: Current, answering: Answering) -> None:
    @app.post("/predict", tags=["predict"])
    async def predict(request: Request) -> JSONResponse:
        """Rows for a file, for the files of a form, or for inputs in JSON."""
        return JSONResponse(await protocols.predict(request, current.model, answering))

    @app.post("/invocations", tags=["MLflow"])
    async def invocations(request: Request) -> JSONResponse:
        """MLflow's scoring protocol."""
        return JSONResponse(await protocols.invocations(request, current.model, answering))

    @app.post(INFER, tags=["Open Inference Protocol"])
    async def infer(request: Request, name: str) -> JSONResponse:
        """Inference by the Open Inference Protocol."""
        return JSONResponse(await protocols.infer(request, _named(current, name), answering))


def _named(current: Current, name: str) -> ServedModel:
    if name != current.model.name:
        raise Refused(404, f"There is no model {name!r} here; there is {current.model.name!r}.")
    return current.model
