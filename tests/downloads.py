"""What the tests of downloads share: a web server on this machine, a full disk."""

import errno
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Mirror:
    """A web server on this machine; ``pages`` holds (status, body, promised length)."""

    def __init__(self):
        self.pages: dict[str, tuple[int, bytes, int]] = {}
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                status, body, length = mirror.pages.get(self.path, (404, b"", 0))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def serve(self, name: str, body: bytes, *, status: int = 200, missing: int = 0) -> str:
        self.pages["/" + name] = (status, body, len(body) + missing)
        return f"http://127.0.0.1:{self.server.server_port}/{name}"


def left_behind(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else []


def fill_the_disk(patch: pytest.MonkeyPatch) -> None:
    """Every file opened for writing from now on takes a thousand bytes and then no more."""
    really_open = Path.open

    def open_on_a_full_disk(path, mode="r", *args, **kwargs):
        file = really_open(path, mode, *args, **kwargs)
        return FullDisk(file) if mode == "wb" else file

    patch.setattr(Path, "open", open_on_a_full_disk)


class FullDisk:
    """A file that takes a thousand bytes and then no more."""

    def __init__(self, file):
        self.file = file

    def write(self, content):
        self.file.write(content[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
