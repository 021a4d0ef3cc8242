"""The HTTP server under the lab's services, and clients that have given up."""

import http.client
import socket
import threading

from chaoslab.lab.webserver import Handler, WebServer


def test_whoever_has_hung_up_is_not_served():
    served = []

    class Noting(Handler):
        def do_GET(self):
            served.append(self.path)
            self.answer(200, b"", {})

    server = WebServer(("127.0.0.1", 0), Noting)
    for _ in range(20):  # they wait to be accepted, for nobody serves yet
        with socket.create_connection(server.server_address[:2], timeout=60) as line:
            line.sendall(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    client = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    try:
        client.connect()
        serving.start()
        client.request("GET", "/waiting")
        assert client.getresponse().status == 200
    finally:
        client.close()
        server.shutdown()
        serving.join()
        server.server_close()
    assert served == ["/waiting"]
