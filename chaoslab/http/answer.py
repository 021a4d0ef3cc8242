"""Reads an answer just far enough to know its status, and whether all of it came."""

_HEAD_MAX_BYTES = 64 * 1024
_LAST_CHUNK = b"0\r\n\r\n"
_WITHOUT_BODY = (204, 304)


class NoHttp(Exception):
    """What came is no answer in HTTP/1."""


class Answer:
    """One answer, fed as it arrives."""

    def __init__(self, *, bodiless: bool) -> None:
        """Begin; `bodiless` when no body follows whatever the head says, as to HEAD."""
        self.status = 0
        """0 until the head is there."""
        self.complete = False
        self._bodiless = bodiless
        self._head = b""
        self._left_bytes: int | None = None
        self._chunked = False
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take what arrived.

        Raises:
            NoHttp: it is no HTTP.
        """
        if not self.status:
            self._head += data
            head, separator, data = self._head.partition(b"\r\n\r\n")
            if len(head) > _HEAD_MAX_BYTES or not self._head.startswith(b"HTTP/1."[: len(self._head)]):
                raise NoHttp
            if not separator:
                return
            self._read_head(head)
            if 100 <= self.status < 200:  # informational: the real one follows
                self.status, self._head = 0, b""
                self.feed(data)
                return
        self._read_body(data)

    def end(self) -> None:
        """Take the end of the connection, which ends a body that has no length of its own."""
        if self.status and self._left_bytes is None and not self._chunked:
            self.complete = True

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        try:
            self.status = int(first.split(b" ", 2)[1])
            for line in lines:
                name, _, value = line.partition(b":")
                match name.strip().lower():
                    case b"content-length":
                        self._left_bytes = int(value)
                    case b"transfer-encoding":
                        self._chunked = b"chunked" in value.lower()
        except (IndexError, ValueError) as error:
            raise NoHttp from error
        if self._chunked:
            self._left_bytes = None
        if self._bodiless or self.status in _WITHOUT_BODY:
            self._left_bytes = 0

    def _read_body(self, data: bytes) -> None:
        if self._left_bytes is not None:
            self._left_bytes -= len(data)
            self.complete = self._left_bytes <= 0
        elif self._chunked:
            # Where the chunks lie does not matter here, only that the last one came.
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            self.complete = self._tail == _LAST_CHUNK
