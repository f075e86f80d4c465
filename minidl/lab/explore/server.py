"""The page's server: on this machine alone, one profile at a time."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from minidl.lab.explore.knobs import Knobs
from minidl.lab.explore.look import look

FOLDER = Path(__file__).parent
FILES = {"/": ("page.html", "text/html"), "/explore.js": ("explore.js", "text/javascript"),
         "/explore.css": ("explore.css", "text/css")}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
ONE_AT_A_TIME = threading.Lock()                 # looking at a network seeds the default generator


class Handler(BaseHTTPRequestHandler):
    """GET / and the two files of the page; GET /profile?depth=56&norm=batch: what was seen, or {"error": a sentence}."""

    def do_GET(self):
        if self.headers.get("Host") not in self.server.hosts:    # a page from elsewhere whose name was made to lead here
            return self.answer(403, "text/plain", b"")
        url = urlsplit(self.path)
        if url.path in FILES:
            name, kind = FILES[url.path]
            return self.answer(200, kind, (FOLDER / name).read_bytes())
        if url.path != "/profile":
            return self.answer(404, "text/plain", b"there is no such page\n")
        try:
            with ONE_AT_A_TIME:
                seen = look(Knobs.read(dict(parse_qsl(url.query, keep_blank_values=True))))
        except ValueError as error:
            return self.answer(400, "application/json", json.dumps({"error": str(error)}).encode())
        self.answer(200, "application/json", json.dumps(seen.as_dict()).encode())

    def answer(self, status, kind, content):
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Nobody reads them."""


def server(port=0):
    """A server for the page, on a free port unless one is named; `serve_forever()` runs it."""
    try:
        made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise OSError(f"explore: port {port} cannot be used: {error.strerror}") from None
    made.daemon_threads = True
    made.hosts = {f"{name}:{made.server_port}" for name in ("127.0.0.1", "localhost")}
    return made
