"""An object store over HTTP that speaks as much of S3 as a backup needs; keeps all in memory."""

from __future__ import annotations

import hashlib
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_LISTED = "<IsTruncated>false</IsTruncated>"


class ObjectServer(ThreadingHTTPServer):
    """Objects by `bucket/key`, parts of uploads that are not complete, and who asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.signed_by: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ObjectServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path.lstrip("/"))

    @property
    def query(self) -> dict[str, str]:
        return {
            name: values[0]
            for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()
        }

    def do_PUT(self) -> None:
        self.server.signed_by.add(self.headers.get("Authorization", ""))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploadId" in self.query:
            parts = self.server.parts[self.query["uploadId"]]
            parts[int(self.query["partNumber"])] = body
        else:
            self.server.objects[self.key] = body
        self._answer(200, tag=hashlib.md5(body).hexdigest())

    def do_GET(self) -> None:
        self.server.signed_by.add(self.headers.get("Authorization", ""))
        if "list-type" in self.query:
            self._list()
        elif self.key in self.server.objects:
            content = self.server.objects[self.key]
            self._answer(200, content, tag=hashlib.md5(content).hexdigest())
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        content = self.server.objects.get(self.key)
        found = content is not None
        self._answer(200 if found else 404, content or b"", body=False)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in self.query:
            upload = f"upload{len(self.server.parts)}"
            self.server.parts[upload] = {}
            told = f"<R><UploadId>{upload}</UploadId></R>"
        elif "uploadId" in self.query:
            parts = self.server.parts.pop(self.query["uploadId"])
            self.server.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
            told = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
        else:
            names = [node.text or "" for node in ET.fromstring(body).iter() if _is(node, "Key")]
            for name in names:
                self.server.objects.pop(f"{self.key.rstrip('/')}/{name}", None)
            deleted = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            told = f"<DeleteResult>{deleted}</DeleteResult>"
        self._answer(200, told.encode())

    def _list(self) -> None:
        bucket = self.key.rstrip("/")
        wanted = f"{bucket}/{self.query.get('prefix', '')}"
        found = "".join(
            f"<Contents><Key>{name.removeprefix(f'{bucket}/')}</Key><Size>{len(content)}</Size>"
            "<LastModified>2026-01-07T12:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
            for name, content in sorted(self.server.objects.items())
            if name.startswith(wanted)
        )
        self._answer(200, f"<ListBucketResult>{_LISTED}{found}</ListBucketResult>".encode())

    def _answer(
        self, status: int, content: bytes = b"", tag: str = "x", *, body: bool = True
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{tag}"')
        self.send_header("Last-Modified", "Wed, 07 Jan 2026 12:00:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(content)


def _is(node: ET.Element, name: str) -> bool:
    return node.tag.rpartition("}")[2] == name


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Serve for as long as the context lasts."""
    server = ObjectServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
