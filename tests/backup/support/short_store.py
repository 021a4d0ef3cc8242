"""A proxy before an object store that drops the last byte of what is written, and says that all of it arrived."""

import contextlib
import hashlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOT_SIGNED_AGAIN = {"authorization", "host", "content-length", "content-md5", "x-amz-date", "x-amz-content-sha256"}
NOT_SENT_BACK = {"transfer-encoding", "connection", "content-length"}


@contextlib.contextmanager
def short_store(store, ending):
    """Yield the URL of a proxy that shortens the objects whose keys have this ending."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            shortened = self.command == "PUT" and urlsplit(self.path).path.endswith(ending)
            status, headers, answer = ask(store, self, body[:-1] if shortened else body)
            if shortened:
                headers["ETag"] = f'"{hashlib.md5(body).hexdigest()}"'
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in NOT_SENT_BACK:
                    self.send_header(name, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(answer)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(store, handler, body):
    """Ask the store itself, signed anew."""
    kept = {name: value for name, value in handler.headers.items() if name.lower() not in NOT_SIGNED_AGAIN}
    request = AWSRequest(handler.command, store.url() + handler.path, kept, body)
    S3SigV4Auth(Credentials(store.access_key, store.secret_key), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(store.url()).netloc, timeout=60)
    try:
        connection.request(handler.command, handler.path, body, dict(request.headers.items()))
        said = connection.getresponse()
        return said.status, dict(said.getheaders()), said.read()
    finally:
        connection.close()
