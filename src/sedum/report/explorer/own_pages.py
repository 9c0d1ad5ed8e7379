"""What the explorer's server refuses, and what it tells browsers not to do.

The page shows files that others made. Texts from them are escaped where they are put in; the
content policy is a second wall, so that a script that came through would not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

__all__ = ["OwnPages", "content_policy"]


def content_policy(origins: Sequence[str], nonce: str) -> str:
    """Return the content policy of the page.

    Scripts are those of this server, and those that the template marks with the nonce. No script
    and no handler that is put into the page runs. Bokeh needs to evaluate the text of its
    formatters of ticks, and puts styles into the page.

    Examples
    --------
    >>> content_policy(["localhost:5006"], "abc").split("; ")[1]
    "script-src 'self' 'nonce-abc' 'unsafe-eval'"
    """
    sockets = " ".join(f"ws://{origin}" for origin in origins)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' {sockets}",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class OwnPages(Router):
    """Passes requests of the explorer's own page to Bokeh, and refuses all others.

    Refused are requests under another name of this machine (a name that was bound anew to it),
    of the pages of other origins, and of Bokeh's script for embedding, which gives a session to
    whoever asks.

    Parameters
    ----------
    bokeh
        Bokeh's application.
    origins
        Host and port of the page, under each of its names.
    nonce
        The secret of the page's own scripts.
    """

    def __init__(self, bokeh: Application, origins: Sequence[str], nonce: str):
        self._bokeh, self._origins = bokeh, set(origins)
        self._refusing = Application()
        self._headers = {
            "Content-Security-Policy": content_policy(origins, nonce),
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return what answers a request."""
        self._protect(request)
        status = self._refusal(request)
        if status:
            return self._refusing.get_handler_delegate(request, _Refused, {"status": status})
        return self._bokeh.find_handler(request, **kwargs)

    def _refusal(self, request: HTTPServerRequest) -> int:
        """Return the status of a refusal; 0 for a request that is answered."""
        if request.host.lower() not in self._origins or "autoload" in request.path.lower():
            return 404
        headers = request.headers
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{o}" for o in self._origins}:
            return 403
        # A link may lead here from anywhere, but no other page may take something from here.
        site, mode = headers.get("Sec-Fetch-Site"), headers.get("Sec-Fetch-Mode")
        if site in ("cross-site", "same-site") and mode != "navigate":
            return 403
        return 0

    def _protect(self, request: HTTPServerRequest) -> None:
        """Add the headers to whatever answers a request."""
        connection: Any = request.connection
        write = connection.write_headers

        def write_headers(start_line: Any, headers: HTTPHeaders, *args: Any, **kwargs: Any) -> Any:
            for name, value in self._headers.items():
                headers[name] = value
            for name in [n for n in headers if n.startswith("Access-Control-")]:
                del headers[name]
            return write(start_line, headers, *args, **kwargs)

        connection.write_headers = write_headers


class _Refused(RequestHandler):
    """Answers with a status alone."""

    def initialize(self, status: int) -> None:
        self._status = status

    def prepare(self) -> None:
        self.send_error(self._status)
