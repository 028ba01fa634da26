"""Style sheets, scripts and pictures: read once at start, served from memory below a folder named by their digest.

ES modules import each other by relative paths, so the digest stands in the folder (``/static/<digest>/chat.js``) and covers all files: one
page never mixes two versions, and browsers may keep the files for a year.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from ondol.core.errors import NotFound, SettingsError

CACHE_FOREVER = "public, max-age=31536000, immutable"
CACHE_ASKING = "no-cache"
DIGEST_CHARACTERS = 16
VENDORED = ("vendor/marked.esm.js", "vendor/htmx.min.js", "vendor/uplot.min.js", "vendor/uplot.min.css")
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `etag` is its own digest, quoted."""

    body: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by path, and the digest over all of them."""

    digest: str
    by_path: Mapping[str, Asset]

    def url(self, path: str) -> str:
        """Where a page finds a file.

        Raises:
            KeyError: there is no such file: a mistake in a template.
        """
        if path not in self.by_path:
            raise KeyError(path)
        return f"/static/{self.digest}/{path}"


def load_assets() -> Assets:
    """Read the static folder.

    Raises:
        SettingsError: a vendored file is missing, as in a checkout whose assets were never built.
    """
    by_path: dict[str, Asset] = {}
    total = hashlib.sha256()
    for path, body in sorted(_walk(files(__package__) / "static", "")):
        media_type = MEDIA_TYPES.get(path[path.rfind(".") :])
        if media_type is None:
            continue
        digest = hashlib.sha256(body).hexdigest()
        total.update(f"{path}\0{digest}\n".encode())
        by_path[path] = Asset(body, media_type, f'"{digest[:DIGEST_CHARACTERS]}"')
    missing = [path for path in VENDORED if path not in by_path]
    if missing:
        raise SettingsError(f"The console's asset {missing[0]} is missing.", "Run `python scripts/assets.py`; an installed wheel carries it.")
    return Assets(total.hexdigest()[:DIGEST_CHARACTERS], by_path)


def asset_response(assets: Assets, request: Request, digest: str, path: str) -> Response:
    """The file, or 304 when the browser has it.

    A page of another version (two replicas during an update) gets our file too, but may not keep it.

    Raises:
        NotFound: there is no such file.
    """
    asset = assets.by_path.get(path)
    if asset is None:
        raise NotFound(f"There is no file {path}.")
    headers = {"ETag": asset.etag, "Cache-Control": CACHE_FOREVER if digest == assets.digest else CACHE_ASKING}
    if asset.etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers=headers | {"Content-Type": asset.media_type})


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        found.extend(_walk(entry, f"{path}/") if entry.is_dir() else [(path, entry.read_bytes())])
    return found
