from __future__ import annotations

import psycopg
import pytest

from ondol.infrastructure import ledger
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.infrastructure.storage.postgres.queries import parse_queries, read_queries

QUERIES = parse_queries(read_queries("ondol.infrastructure.ledger"))


def test_the_public_names() -> None:
    assert sorted(ledger.__all__) == [
        "ArtefactKind",
        "ERASURE_STORES",
        "EVENT_BODY_BYTES_MAX",
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
    assert all(hasattr(ledger, name) for name in ledger.__all__)


def test_postgres_infers_the_types_of_every_query(addresses: DatabaseAddresses) -> None:
    for query in QUERIES.values():
        with psycopg.connect(addresses.system if query.door == "system" else addresses.app) as connection:
            text, _ = query.numbered()
            connection.execute(f"prepare q as {text}")


@pytest.mark.parametrize("name", ["insert_batch", "place_events"])
def test_the_app_role_cannot_seal(addresses: DatabaseAddresses, name: str) -> None:
    text, names = QUERIES[name].numbered()
    with psycopg.connect(addresses.app) as connection:
        connection.execute(f"prepare q as {text}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"execute q ({', '.join(['null'] * len(names))})")
