"""The server of the explorer, which listens on this machine only and loads nothing else."""

from __future__ import annotations

import asyncio
import secrets
import threading
import webbrowser
from pathlib import Path

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from sedum.errors import SedumError
from sedum.report.explorer.explorer_page import Page
from sedum.report.explorer.own_pages import OwnPages
from sedum.report.explorer.sampled_rows import SampledRows
from sedum.report.explorer.selected_galaxy import FittedGalaxies, open_galaxies
from sedum.results.posterior_catalogue import PosteriorCatalogue

__all__ = ["Explorer"]

_LOOPBACK = "127.0.0.1"


class Explorer:
    """The page of a posterior catalogue, served to browsers on this machine.

    Parameters
    ----------
    results
        The posterior catalogue.
    catalogue, estimator, run
        What it was fitted with; searched for beside the results if None.
    port
        The port; 0 takes a free one.
    max_rows
        Maximum number of rows in table and plots, drawn at random.

    Attributes
    ----------
    url
        The address of the page.
    """

    def __init__(
        self,
        results: str | Path,
        catalogue: str | Path | None = None,
        estimator: str | Path | None = None,
        run: str | Path | None = None,
        port: int = 0,
        max_rows: int = 20_000,
    ):
        self.results = PosteriorCatalogue.open(results)
        try:
            self._sockets, self.port = bind_sockets(_LOOPBACK, port)
        except OSError as error:
            raise SedumError(
                f"cannot serve at port {port}: {error.strerror or error}; choose another "
                "by argument port"
            ) from None
        try:
            self.galaxies: FittedGalaxies | str = open_galaxies(
                self.results, catalogue, estimator, run
            )
            self.rows = SampledRows(self.results, max_rows)
            if isinstance(self.galaxies, FittedGalaxies):
                # Slow first steps are done before the page is opened.
                self.galaxies.warm_up()
        except BaseException:
            for socket in self._sockets:
                socket.close()
            raise
        self.url = f"http://{_LOOPBACK}:{self.port}/"
        self._loop: IOLoop | None = None
        self._nonce = secrets.token_urlsafe(16)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="sedum explore", daemon=True)
        self._thread.start()
        while not self._ready.wait(1.0):
            if not self._thread.is_alive():
                raise SedumError(f"the page at {self.url} could not be served; see above")

    def _serve(self) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        # Scripts come from this server, whatever environment variables request.
        settings.resources.set_value("server")
        application = Application(FunctionHandler(self._fill))
        origins = [f"{name}:{self.port}" for name in (_LOOPBACK, "localhost")]
        bokeh = BokehTornado({"/": application}, extra_websocket_origins=origins)
        http = HTTPServer(OwnPages(bokeh, origins, self._nonce))
        http.add_sockets(self._sockets)
        self._loop = IOLoop.current()
        server = BaseServer(self._loop, bokeh, http)
        server.start()
        self._loop.add_callback(self._ready.set)
        self._loop.start()
        server.stop(wait=False)
        self._loop.close()

    def _fill(self, document: Document) -> None:
        document.template_variables["nonce"] = self._nonce
        Page(self.results, self.rows, self.galaxies).into(document)

    def show(self) -> None:
        """Open the page in a browser."""
        webbrowser.open(self.url)

    def wait(self) -> None:
        """Serve until the process is interrupted, or :meth:`stop` is called elsewhere."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def stop(self) -> None:
        """Stop the server."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.add_callback(self._loop.stop)
            self._thread.join(10)
