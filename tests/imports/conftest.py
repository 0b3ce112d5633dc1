"""Fixtures: a client of the whole application."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from lockstock.client.api import Client


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[Client]:
    """Lockstock's own client, without a socket between."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with Client("http://testserver", transport=transport) as opened:
        yield opened
