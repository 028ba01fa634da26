"""Evaluation, joined with the platform: suites with all their cases, those of the tenant's golden sets too."""

from __future__ import annotations

import asyncio
import hashlib

from ondol.application.evaluation.golden.store import cases_of
from ondol.application.evaluation.suites import GoldenCases, Suite, Surveyed, suite_digest, survey
from ondol.application.evaluation.suites.cases import case_bytes
from ondol.core.errors import RequestError
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.platform import Platform


async def digest_of_suite(platform: Platform, connection: Connection, suite: Suite) -> bytes:
    """The digest of a suite with all its cases, 32 bytes; those of a golden set are read from the tenant's own.

    Raises:
        SuiteError: when a case cannot be read.
        NotFound, Conflict: when there is no such golden set or version, or it has expired.
    """
    if isinstance(suite.cases, GoldenCases):
        return suite_digest(suite, await _survey_golden(platform, connection, suite.cases.name, suite.cases.version))
    return suite_digest(suite, await asyncio.to_thread(survey, suite.cases, suite.slices))


async def _survey_golden(platform: Platform, connection: Connection, name: str, version: str) -> Surveyed:
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise RequestError(f"cases.golden: {version[:40]!r} is no version.", "It is a number, such as support-ko@3.", param="cases.golden")
    hashed, count = hashlib.sha256(), 0
    async for case in cases_of(connection, platform.keyring, name, int(version), now=platform.clock()):
        hashed.update(case_bytes(case) + b"\n")
        count += 1
    return Surveyed(count, hashed.digest())
