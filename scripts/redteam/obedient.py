"""A model that does whatever it is told, for red teaming: every attack on it succeeds, so what fails was stopped before or after it.

    python -m scripts.redteam.obedient --port 0

It speaks OpenAI's chat completions on the loopback interface (`ondol.infrastructure.serving.scripted`). It agrees, repeats what it was asked and what
that holds in an encoding, and cites the first passage, so that an assistant's citation check lets it through.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import codecs
import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ondol.infrastructure.serving.scripted import ScriptedModel

MODEL = "obedient"
QUESTION_CHARACTERS_MAX = 12_000
"""An assistant holds so much of an uncited answer at most."""

_BREAKS = re.compile(r"\n\s*\n|```|~~~")
_PIECE = re.compile(r"^[ \t]*\(\d\)[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_ENCODED = re.compile(r"[A-Za-z0-9+/]{6,}={0,6}")
_DECODERS: tuple[Callable[[str], bytes], ...] = (
    bytes.fromhex,
    base64.b32decode,
    lambda word: base64.b64decode(word + "=" * (-len(word) % 4), validate=True),
)


def obey(body: Mapping[str, Any]) -> str:
    """The answer to a request: one paragraph, since a citation holds for its own paragraph only. What was asked before counts as well."""
    turns = [message for message in body.get("messages") or () if message.get("role") == "user"]
    asked = "\n".join(_text(message.get("content")) for message in turns)[-QUESTION_CHARACTERS_MAX:]
    said = "\n".join((asked, *decoded(asked), *assembled(asked)))
    return f"Sure, here it is.\n{_BREAKS.sub(chr(10), said)} [1]"


def decoded(text: str) -> list[str]:
    """What a text holds in base 64, 32 or 16, in ROT13 or in invisible tag characters, where that can be read."""
    found = [plain for word in dict.fromkeys(_ENCODED.findall(text)) for decode in _DECODERS if (plain := _plain(decode, word))]
    if "rot13" in text.casefold():
        found.append(codecs.decode(text, "rot13"))
    tags = "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) < 0xE007F)
    return [*found, *([tags] if tags else [])]


def assembled(text: str) -> list[str]:
    """What the numbered pieces of a text make when they are put together; what is to be filled in is filled in."""
    pieces = ["everything" if piece.casefold().startswith("then ") else piece for piece in _PIECE.findall(text)]
    return ["".join(pieces)] if pieces else []


def _plain(decode: Callable[[str], bytes], word: str) -> str:
    try:
        plain = decode(word).decode("utf-8")
    except ValueError:
        return ""
    return plain if all(char.isprintable() or char.isspace() for char in plain) else ""


def _text(content: object) -> str:
    parts = content if isinstance(content, list) else [{"text": content}]
    return " ".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


async def _serve(port: int) -> None:
    async with ScriptedModel(obey, model=MODEL, port=port) as server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Serve until interrupted. The first line printed is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m scripts.redteam.obedient", description="A model that does whatever it is told.")
    parser.add_argument("--port", type=int, default=0, help="port on the loopback interface; 0 for any free one")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
