"""Front matter and the keys that Ondol acts on."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.knowledge.frontmatter import FRONT_MATTER_CHARS_MAX, parse_metadata, read_metadata, split_front_matter
from ondol.application.knowledge.types import DocumentMetadata
from ondol.core.errors import UnreadableDocument
from ondol.infrastructure.access.rules import Clause


def test_a_whole_front_matter() -> None:
    raw, body = split_front_matter(
        "---\nid: ko/refund-policy\nlanguage: ko\ntitle: 환불 정책\nversion: 3\nvalid_from: 2026-04-01\n"
        "valid_until: 2026-08-31T09:00:00+09:00\nclass: internal\ngroups: [support-staff, billing-team]\n---\n# 환불\n"
    )
    assert body == "# 환불\n"
    assert read_metadata(raw) == DocumentMetadata(
        key="ko/refund-policy",
        language="ko",
        title="환불 정책",
        version=3,
        valid_from=datetime(2026, 4, 1, tzinfo=UTC),
        valid_until=datetime(2026, 8, 31, tzinfo=UTC),
        security_class="internal",
        groups=("support-staff", "billing-team"),
    )


def test_meta_tags_are_strings() -> None:
    raw = {
        "id": " en/x ",
        "version": "3",
        "valid_from": "2026-04-01",
        "groups": "support-staff, billing-team",
        "class": "restricted",
        "language": "en-GB",
    }
    metadata = read_metadata(raw)
    assert metadata == DocumentMetadata(
        "en/x", "en", None, 3, datetime(2026, 4, 1, tzinfo=UTC), None, "restricted", ("support-staff", "billing-team")
    )


def test_foreign_keys_are_ignored() -> None:
    raw = {"weight": 10, "date": date(2024, 1, 1), "reviewers": ["a"], "content_type": "concept", "card": {"name": "x"}, "title": "Pods", "id": None}
    assert read_metadata(raw) == DocumentMetadata(None, None, "Pods", None, None, None, None, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", 12),
        ("id", ""),
        ("id", "a\nb"),
        ("id", "x" * 201),
        ("language", False),  # what YAML makes of `no`
        ("language", "Korean language"),
        ("title", ["a"]),
        ("version", "v1.2"),
        ("version", 1.5),
        ("version", True),
        ("version", 0),
        ("version", 2**31),
        ("valid_from", "soon"),
        ("valid_from", None),
        ("valid_until", 20260401),
        ("valid_until", "9999-12-31T23:59:59-14:00"),
        ("class", "secret"),
        ("class", None),
        ("class", ""),
        ("class", "Public"),
        ("groups", []),
        ("groups", None),
        ("groups", ""),
        ("groups", ["a", 3]),
        ("groups", {"a": 1}),
        ("groups", ["x"] * 51),
        ("access", None),
        ("access", ["department = sales"]),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read_metadata({key: value})
    assert f"`{key}`" in caught.value.message
    assert f"`{key}` must be" in caught.value.hint


def test_a_rule_gives_clauses_and_a_class() -> None:
    metadata = read_metadata({"access": "department in (sales, support) and class <= internal", "class": "internal"})
    assert (metadata.clauses, metadata.security_class) == ((Clause("department", ("sales", "support")),), "internal")
    metadata = read_metadata({"access": "class <= restricted"})
    assert (metadata.clauses, metadata.security_class) == ((), "restricted")
    for raw in ({"access": ""}, {"access": "sales"}, {"access": "class <= internal", "class": "restricted"}):
        with pytest.raises(UnreadableDocument) as caught:
            read_metadata(raw)
        assert caught.value.hint


def test_the_classes_are_listed() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read_metadata({"class": "secret"})
    assert "public, internal, confidential, restricted" in caught.value.hint


def test_validity_is_an_interval() -> None:
    with pytest.raises(UnreadableDocument, match="valid_until"):
        read_metadata({"valid_from": date(2026, 4, 2), "valid_until": date(2026, 4, 2)})


@pytest.mark.parametrize("text", ["# Title\n", "--- \n\nAfter a break\n", "---\nJust text\n---\nmore\n", "---\n", "----\nid: x\n---\n", ""])
def test_no_front_matter(text: str) -> None:
    assert split_front_matter(text) == ({}, text)


def test_an_empty_front_matter_is_cut_off() -> None:
    assert split_front_matter("---\n---\nText\n") == ({}, "Text\n")
    assert split_front_matter("---\nid: x\n...\nText\n") == ({"id": "x"}, "Text\n")


@pytest.mark.parametrize(
    "text",
    [
        "---\nclass: restricted\n\n# Never closed\n",
        "---\nclass: restricted\nbroken: [\n---\n",
        "---\nclass: public\nclass: restricted\n---\n",
        "---\na: &x [1]\nb: *x\n---\n",
        "---\na: !!python/object:os.system x\n---\n",
        "---\ndate: 2026-13-45\n---\n",
        "---\nid: a\x0cb\n---\n",
        f"---\na: {'[' * 100}\n---\n",
        f"---\na: {'x' * FRONT_MATTER_CHARS_MAX}\n---\n",
    ],
)
def test_broken_front_matter_is_not_read_past(text: str) -> None:
    """A document whose class was lost would be open to everybody."""
    with pytest.raises(UnreadableDocument):
        split_front_matter(text)


def test_a_sidecar_is_the_same_yaml() -> None:
    assert parse_metadata("id: en/x\nversion: 2\n") == {"id": "en/x", "version": 2}
    assert parse_metadata("") == {}
    with pytest.raises(UnreadableDocument):
        parse_metadata("- a\n- b\n")
    with pytest.raises(UnreadableDocument):
        parse_metadata("x" * (FRONT_MATTER_CHARS_MAX + 1))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "language", "title", "version", "valid_from", "valid_until", "class", "groups", "access", "other"]), json_like
    )
)
def test_any_mapping_is_read_or_refused(raw: dict[str, object]) -> None:
    try:
        metadata = read_metadata(raw)
    except UnreadableDocument as error:
        assert error.hint
        return
    assert (metadata.security_class is None) == ("class" not in raw)
    assert (metadata.groups is None) == ("groups" not in raw)


@given(st.text(alphabet="---\n:ab [](){}&*!'\"#1", max_size=80))
def test_any_text_splits_or_is_refused(text: str) -> None:
    try:
        raw, body = split_front_matter("---\n" + text)
    except UnreadableDocument:
        return
    assert ("---\n" + text).endswith(body)
    assert all(isinstance(key, str) for key in raw)
