"""The ledger: events in a signed chain, proofs and their verification, and lineage."""

from __future__ import annotations

from ondol.infrastructure.ledger.chain import batch_text
from ondol.infrastructure.ledger.events import EVENT_BODY_BYTES_MAX, event_digest, event_text, record
from ondol.infrastructure.ledger.lineage import ERASURE_STORES, add_artefact, add_artefacts, add_links, ancestors, descendants, link
from ondol.infrastructure.ledger.proof import check_proof, prove
from ondol.infrastructure.ledger.read import ListedEvent, get_event, head_batch, links_after, list_events
from ondol.infrastructure.ledger.sealer import chain_head, run_sealer, seal_once, unsealed
from ondol.infrastructure.ledger.signing import (
    LedgerSigner,
    envelope_signature_holds,
    key_id_of,
    public_keys_path,
    read_public_keys,
    read_revoked_keys,
    revoke_key,
    revoked_keys_path,
)
from ondol.infrastructure.ledger.types import (
    ArtefactKind,
    Event,
    Head,
    InclusionProof,
    Link,
    NewArtefact,
    PublicKeys,
    Reached,
    Relation,
    SealedBatch,
    Store,
    Unsealed,
    Verification,
    Walk,
)
from ondol.infrastructure.ledger.verify import verify

__all__ = [
    "ERASURE_STORES",
    "EVENT_BODY_BYTES_MAX",
    "ArtefactKind",
    "Event",
    "Head",
    "InclusionProof",
    "LedgerSigner",
    "Link",
    "ListedEvent",
    "NewArtefact",
    "PublicKeys",
    "Reached",
    "Relation",
    "SealedBatch",
    "Store",
    "Unsealed",
    "Verification",
    "Walk",
    "add_artefact",
    "add_artefacts",
    "add_links",
    "ancestors",
    "batch_text",
    "chain_head",
    "check_proof",
    "descendants",
    "envelope_signature_holds",
    "event_digest",
    "event_text",
    "get_event",
    "head_batch",
    "key_id_of",
    "link",
    "links_after",
    "list_events",
    "prove",
    "public_keys_path",
    "read_public_keys",
    "read_revoked_keys",
    "record",
    "revoke_key",
    "revoked_keys_path",
    "run_sealer",
    "seal_once",
    "unsealed",
    "verify",
]
