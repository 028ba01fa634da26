"""Asking for an erasure: whatever it is, it is hidden in one transaction; the job worker does the rest."""

from __future__ import annotations

from ondol.application.erasure.ask import check_reason, erase_document, erase_subject, hide_again

__all__ = ["check_reason", "erase_document", "erase_subject", "hide_again"]
