"""HTTP of events: the log, webhooks, streams."""

from fastapi import APIRouter

from lockstock.events.log.routes import router as log_router
from lockstock.events.stream.routes import router as stream_router
from lockstock.events.webhooks.deliveries.routes import router as deliveries_router
from lockstock.events.webhooks.routes import router as webhooks_router

router = APIRouter()
for below in (log_router, webhooks_router, deliveries_router, stream_router):
    router.include_router(below)
