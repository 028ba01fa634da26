"""What waits to be written to Postgres: records in files that outlive their process, and rows in memory.

It lies in `storage` because both the guard and the gateway write behind their requests, and because the spool is one of the places of state.
"""

from __future__ import annotations

from ondol.infrastructure.storage.spool.behind import WriteBehind
from ondol.infrastructure.storage.spool.rounds import ROUND_EVERY_S, Rounds, away, lacks_partition, refused, write_out
from ondol.infrastructure.storage.spool.segments import Segment, claim, frame, keep_aside, read_records, segment_files, spool_bytes
from ondol.infrastructure.storage.spool.spool import Spool, SpoolFull

__all__ = [
    "ROUND_EVERY_S",
    "Rounds",
    "Segment",
    "Spool",
    "SpoolFull",
    "WriteBehind",
    "away",
    "claim",
    "frame",
    "keep_aside",
    "lacks_partition",
    "read_records",
    "refused",
    "segment_files",
    "spool_bytes",
    "write_out",
]
