"""Erasing a document: hidden in one transaction, then out of the rows, the index, the blobs and the key ring."""

from __future__ import annotations

from ondol.application.knowledge.erasure.erasers import StorePlaces, document_erasers, key_eraser
from ondol.application.knowledge.erasure.hide import find_document, hide_document

__all__ = ["StorePlaces", "document_erasers", "find_document", "hide_document", "key_eraser"]
