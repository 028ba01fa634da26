"""Documents one at a time: added, replaced, moved, restricted, deleted, listed; and uploads, which a job worker takes in."""

from __future__ import annotations

from ondol.application.knowledge.documents.change import Changed, delete_document, move_document, rename_document, restrict_document
from ondol.application.knowledge.documents.put import Told, put_file
from ondol.application.knowledge.documents.readers import Readers, rule_of
from ondol.application.knowledge.documents.store import Access, Document, ListedState, access_of, find_document, get_document, page_of_documents

__all__ = [
    "Access",
    "Changed",
    "Document",
    "ListedState",
    "Readers",
    "Told",
    "access_of",
    "delete_document",
    "find_document",
    "get_document",
    "move_document",
    "page_of_documents",
    "put_file",
    "rename_document",
    "restrict_document",
    "rule_of",
]
