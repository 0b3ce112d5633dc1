"""Fixtures of the tests of events."""

import pytest

from lockstock.app import Services
from lockstock.kernel.database import Database
from tests.events.writers import Writer


@pytest.fixture
def writer(database: Database, services: Services) -> Writer:
    """Somebody who has something to tell."""
    return Writer(database, services.event_log)
