"""What is kept of each request: its record, through the spool; what was said; and what people thought of it."""

from ondol.infrastructure.gateway.records.types import RequestRecord

__all__ = ["RequestRecord"]
