"""`/openapi.json`, and `/docs`: Swagger UI over it, whose files are served from here so that no internet is needed."""

import secrets
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
"""What fastapi-offline ships and the page needs, with its type."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Journeys API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script nonce="{nonce}">
SwaggerUIBundle({{
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "none", filter: true, validatorUrl: null
}});
</script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_documents(pages: FastAPI, document: dict[str, Any]) -> None:
    """Serve the OpenAPI document, and a page of it in place of FastAPI's own, which loads its files from elsewhere."""
    rendered = orjson.dumps(document)
    with as_file(files("fastapi_offline") / "static") as folder:  # wheels are unpacked: the files stay where they are
        known = {name: (Path(folder) / name, media_type) for name, media_type in ASSETS.items()}

    @pages.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(rendered, media_type="application/json")

    @pages.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Content-Security-Policy": _POLICY.format(nonce=nonce),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return HTMLResponse(_PAGE.format(nonce=nonce), headers=headers)

    @pages.get("/docs/{name}", include_in_schema=False)
    async def docs_asset(name: str) -> FileResponse:
        if name not in known:
            raise HTTPException(404)
        path, media_type = known[name]
        headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        return FileResponse(path, media_type=media_type, headers=headers)
