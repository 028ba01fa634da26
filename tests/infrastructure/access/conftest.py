"""A tenant with a clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.config import SignInSettings
from ondol.infrastructure.access.sign_in import SignIn
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database


@dataclass
class Hands:
    """A clock with hands."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def room(database: Database, keyring: KeyRing, clock: Hands) -> SignIn:
    return SignIn(database, keyring, SignInSettings(attempts_max=3), clock)
