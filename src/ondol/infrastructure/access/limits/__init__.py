"""Limits and budgets: who may use how much, held by every worker from leases in memory, with Postgres as the one place that counts."""

from __future__ import annotations
