"""What an operator asks of a process: does it live, may it get traffic, what does it count."""

from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST

from lockstock.kernel import telemetry
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.errors import Unavailable
from lockstock.kernel.migrate import History, states

router = APIRouter(tags=["operations"])


@dataclass
class Readiness:
    """Whether this process should get traffic, and why not."""

    databases: list[Database]
    histories: list[History]
    draining: bool = False
    # Schemas only go forward, so once they are current they need no second look.
    migrated: bool = field(default=False, init=False)

    async def problems(self) -> list[str]:
        """Return what stands in the way of traffic; nothing when ready."""
        if self.draining:
            return ["this process is stopping"]
        try:
            for database in self.databases:
                await database.read(_ping)
        except Unavailable as refusal:
            return [refusal.detail]
        if not self.migrated:
            behind = [s.service for s in await states(self.histories) if not s.is_current]
            if behind:
                return [f"run lockstock db migrate: {', '.join(behind)} not up to date"]
            self.migrated = True
        return []


PING = "SELECT 1"


async def _ping(connection: Connection) -> None:
    await connection.fetchval(PING)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Answer 200 when this process can serve: database there, schemas current, not stopping."""
    readiness: Readiness = request.app.state.readiness
    problems = await readiness.problems()
    if problems:
        return JSONResponse({"status": "not ready", "problems": problems}, status_code=503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Give the metrics of this server, all its workers together, in Prometheus' text format."""
    readiness: Readiness = request.app.state.readiness
    for database in readiness.databases:
        database.report_pool()
    return Response(telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
async def home() -> Response:
    """Lead to the documentation of the API."""
    return RedirectResponse("/docs")
