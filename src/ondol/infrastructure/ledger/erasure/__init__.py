"""Erasure: what is erased is hidden at once, removed from every store, probed by independent readers, and receipted."""

from __future__ import annotations

from ondol.infrastructure.ledger.erasure.follow import ErasureFollower
from ondol.infrastructure.ledger.erasure.receipt import ReceiptCheck
from ondol.infrastructure.ledger.erasure.rows import row_eraser
from ondol.infrastructure.ledger.erasure.store import find_erasure, get_erasure, items_of, list_erasures, note_items, open_erasure, reopen, steps_of
from ondol.infrastructure.ledger.erasure.types import EVERY_KIND, Eraser, Erasure, ErasureKind, ErasureRoom, ErasureState, ErasureStore, Gone, Step
from ondol.infrastructure.ledger.erasure.work import carry_out, carry_out_open, check_receipt

__all__ = [
    "EVERY_KIND",
    "Eraser",
    "Erasure",
    "ErasureFollower",
    "ErasureKind",
    "ErasureRoom",
    "ErasureState",
    "ErasureStore",
    "Gone",
    "ReceiptCheck",
    "Step",
    "carry_out",
    "carry_out_open",
    "check_receipt",
    "find_erasure",
    "get_erasure",
    "items_of",
    "list_erasures",
    "note_items",
    "open_erasure",
    "reopen",
    "row_eraser",
    "steps_of",
]
