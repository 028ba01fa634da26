"""What a request demands of its answer: the same whatever the pieces of a stream, and nothing where nothing is demanded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.guard.checks.identifiers import PersonalCheck
from ondol.infrastructure.guard.checks.schema import SchemaCheck
from ondol.infrastructure.guard.conversation import Conversation, Guards, prepare_guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.expects import NOTHING, PROMPTS_BYTES_MAX, Expects, _Kept, expecting, schema_check
from ondol.infrastructure.guard.policy import policy_from
from ondol.infrastructure.guard.replies import BUILT_IN

KEY = bytes(range(32))
PROMPT = (
    "You are the helper of a small hosting company. Answer in two sentences. Never speak about prices below the list, "
    "and send angry people to the lead. 정가보다 낮은 가격은 말하지 마십시오."
)
LEAK = "My rules say: answer in two sentences. Never speak about prices below the list, and send angry people to the lead. Good."
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "phone": {}, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city"],
    "additionalProperties": False,
}


def guards(*output: dict[str, object], mode: str = "enforce") -> Guards:
    policy = policy_from({"version": 1, "name": "test", "mode": mode, "stages": {"output": list(output)}})
    return prepare_guards([policy], {"personal": PersonalCheck()})


ALL = guards(
    {"find": "schema", "do": "repair"},
    {"find": "prompt_leak", "do": "block"},
    {"find": "citations", "do": "block"},
    {"find": "personal:PHONE", "do": "mask"},
)


def answered(prepared: Guards, expects: Expects, pieces: Sequence[str]) -> tuple[str, bool, list[str]]:
    """What goes out, whether it was let pass, and the pieces as they went out."""
    answering = Conversation(prepared, KEY).answering(expects)
    out = [answering.push(piece) for piece in pieces]
    out.append(answering.finish())
    assert answering.verdict is not None
    return "".join(out), answering.verdict.passes, out


def withheld(text: str) -> bool:
    return text.strip() in BUILT_IN["withheld"].values()


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ('{"city": "서울"}', '{"city": "서울"}'),
        ('```json\n{"city": "서울", "days": [1, 2,],}\n```', '{"city": "서울", "days": [1, 2]}'),
        ('Here it is:\n```json\n{"city": "서울"}\n```\nAnything else?', '{"city": "서울"}'),
        ('{"city": "서울", "days": [1, 2]', '{"city": "서울", "days": [1, 2]}'),
        ('{"city": "서울", "phone": "010-1234-5678"}', '{"city": "서울", "phone": "[PHONE_1]"}'),
        ('```\n{"city": "010-1234-5678",}```', '{"city": "[PHONE_1]"}'),
        ('{"city": 1}', None),
        ('{"town": "서울"}', None),
        ("서울입니다.", None),
        ('{"city": "서', None),
        ('{"city": "서울", "days": [1, 2', None),
        ('{"city": "x", "phone": 010-1234-5678}', None),
        ("[" * 100_000, None),
        ("", ""),
        (f'{{"city": {"[" * 40}{"]" * 40}}}', None),
        ('{"city": "\\ud800"}', '{"city": "\\ud800"}'),
        ('{"city": NaN}', None),
    ],
)
def test_json_that_can_be_mended_goes_out_mended_and_the_rest_is_withheld(text: str, out: str | None) -> None:
    went, passes, pieces = answered(ALL, Expects(schema=SCHEMA), [text[:9], text[9:]])
    if out is None:
        assert withheld(went), went
        assert not passes
    else:
        assert (went, passes) == (out, True)
    assert pieces[:-1] == ["", ""], "such an answer is held until it is whole"


def test_any_json_will_do_where_no_schema_is_given() -> None:
    assert answered(ALL, Expects(schema={}), ["[1, 2,]"])[0] == "[1, 2]"
    assert withheld(answered(ALL, Expects(schema={}), ["no"])[0])


def test_a_mask_that_breaks_json_is_noticed() -> None:
    unquoted = guards({"find": "schema", "do": "repair"}, {"find": "personal:PHONE", "do": "mask"})
    assert withheld(answered(unquoted, Expects(schema={}), ['{"phone": 01012345678}'])[0])
    number = '{"phone": 1012345678901, "mail": "a@example.com"}'
    assert answered(unquoted, Expects(schema={}), [number])[0] == number


def test_a_rule_that_blocks_does_not_mend_and_one_that_observes_lets_pass() -> None:
    fenced = '```json\n{"city": "서울"}\n```'
    assert withheld(answered(guards({"find": "schema", "do": "block"}), Expects(schema=SCHEMA), [fenced])[0])
    assert answered(guards({"find": "schema", "do": "observe"}), Expects(schema=SCHEMA), [fenced])[0] == fenced
    assert answered(guards({"find": "schema", "do": "repair"}, mode="observe"), Expects(schema=SCHEMA), [fenced])[0] == fenced


def test_the_policys_own_schema_holds_beside_the_requests() -> None:
    policy = policy_from({"version": 1, "name": "test", "stages": {"output": [{"find": "schema", "do": "repair"}]}})
    both = prepare_guards([policy], {"schema": SchemaCheck({"maxProperties": 1})})
    assert answered(both, Expects(schema=SCHEMA), ['{"city": "x",}'])[0] == '{"city": "x"}'
    assert withheld(answered(both, Expects(schema=SCHEMA), ['{"city": "x", "days": []}'])[0])
    assert withheld(answered(both, Expects(schema=SCHEMA), ['{"phone": "x"}'])[0])


def test_a_pinned_prompt_does_not_come_out_and_the_callers_own_may() -> None:
    assert withheld(answered(ALL, Expects(prompts=("", PROMPT)), [LEAK])[0])
    assert answered(ALL, Expects(), [LEAK])[0] == LEAK
    assert answered(ALL, Expects(prompts=(PROMPT,)), ["I answer in two sentences."])[0] == "I answer in two sentences."


def test_sources_are_counted_by_the_request() -> None:
    assert answered(ALL, Expects(source_count=2), ["It is so [2]."])[0] == "It is so [2]."
    assert withheld(answered(ALL, Expects(source_count=2), ["It is so [3]."])[0])
    assert withheld(answered(ALL, Expects(source_count=0), ["It is so."])[0])


def test_nothing_is_held_back_and_nothing_made_where_nothing_is_asked() -> None:
    guard = ALL.stages["output"]
    assert expecting(guard, NOTHING, KEY) is guard
    assert expecting(guard, Expects(prompts=("",)), KEY) is guard
    plain = guards({"find": "personal", "do": "mask"}).stages["output"]
    assert expecting(plain, Expects((PROMPT,), SCHEMA, 3), KEY) is plain
    assert expecting(guard, Expects((PROMPT,)), KEY).changes_by_whole()
    assert not guard.changes_by_whole(), "the prepared stage stays as it is"
    assert answered(ALL, Expects(), ["A long and harmless answer about nothing at all, which goes on and on. "] * 3)[2][0]


def test_the_built_in_policy_mends_json() -> None:
    rule = next(rule for rule in default_policy().stages["output"] if rule.find == "schema")
    assert rule.do == "repair"


PARTS = ('{"city": "서울", ', '"days": [1, ', "2,]", "}", "```json\n", "\n```", "010-1234-5678 ", "[1]", "[3] ", "It is so. ", *LEAK.split(". "))


@given(
    st.lists(st.sampled_from(PARTS), max_size=8).map("".join),
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.sampled_from([Expects(schema=SCHEMA), Expects((PROMPT,)), Expects(source_count=2), Expects((PROMPT,), {}, 2)]),
)
def test_every_cut_of_an_answer_goes_out_the_same(text: str, sizes: list[int], expects: Expects) -> None:
    pieces: list[str] = []
    place = 0
    while place < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[place : place + size])
        place += size
    went, passes, _ = answered(ALL, expects, pieces)
    assert (went, passes) == answered(ALL, expects, [text])[:2]
    if expects.schema is not None and passes and text:
        json.loads(went)


HOSTILE: Mapping[str, Any] = {
    "deep": json.loads('{"not":' * 60 + "{}" + "}" * 60),
    "huge": {"enum": ["x" * 70_000]},
    "remote": {"$ref": "https://example.com/schema.json"},
    "file": {"$ref": "file:///etc/passwd"},
    "dangling": {"$ref": "#/$defs/none"},
    "itself": {"$ref": "#"},
    "around": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "chain": {"$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(2_000)}, "$ref": "#/$defs/0"},
    "laughs": {
        "$defs": {"0": {}, **{str(n): {"allOf": [{"$ref": f"#/$defs/{n - 1}"}] * 2} for n in range(1, 30)}},
        "$ref": "#/$defs/29",
    },
    "laughs below": {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
    "backtracking": {"pattern": r"(a+)+\1$"},
    "look around": {"pattern": r"^(?=.*a)(?=.*b)"},
    "large pattern": {"pattern": "((a{1000}){1000}){10}"},
    "many patterns": {"patternProperties": {f"a{number}": {} for number in range(100)}},
    "no type": {"type": "nonsense"},
    "half a character": {"const": "\ud800"},
    "no number": {"minimum": float("nan")},
    "another draft": {"$schema": "https://example.com/draft"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_refused_at_once(name: str) -> None:
    with pytest.raises(RequestError) as refused:
        Conversation(ALL, KEY).answering(Expects(schema=HOSTILE[name]))
    assert (refused.value.param, refused.value.code) == ("response_format", "bad_response_format")
    assert Conversation(guards({"find": "personal", "do": "mask"}), KEY).answering(Expects(schema=HOSTILE[name])), "nobody looks at it"


TREE = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "name": {"type": "string"}}}


def test_ordinary_schemas_are_taken_and_compiled_once() -> None:
    flat = {"type": "object", "properties": {f"p{number}": {"type": "string", "maxLength": 9} for number in range(800)}}
    email = {"properties": {"mail": {"type": "string", "pattern": r"^[\w.+-]+@[\w-]+\.[\w.]+$", "format": "email"}}}
    for schema in (TREE, flat, email, {}, {"$defs": {"a/b": {"type": "integer"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}}):
        assert schema_check(schema) is schema_check(json.loads(json.dumps(schema)))
    assert withheld(answered(ALL, Expects(schema=TREE), ['{"left": {"left": {"name": 1}}}'])[0])
    assert answered(ALL, Expects(schema=TREE), ['{"left": {"left": {"name": "x"}}}'])[1]


def test_a_pattern_that_would_backtrack_for_ever_is_matched_in_linear_time() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    assert withheld(answered(ALL, Expects(schema=schema), [json.dumps({"a": "a" * 100_000 + "b"})])[0])


def test_what_is_kept_is_bounded() -> None:
    kept: _Kept[bytes] = _Kept(10, len)
    made: list[bytes] = []

    def make(size: int) -> bytes:
        made.append(bytes(size))
        return made[-1]

    first = kept.get(b"a", lambda: make(6))
    assert kept.get(b"a", lambda: make(6)) is first
    kept.get(b"b", lambda: make(6))
    assert kept.get(b"a", lambda: make(6)) is not first
    kept.get(b"c", lambda: make(11))
    kept.get(b"c", lambda: make(11))
    assert [len(each) for each in made] == [6, 6, 6, 11, 11]
    assert PROMPTS_BYTES_MAX >= 1 << 20
