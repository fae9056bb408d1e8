"""A web server on this machine that answers what a test tells it to, down to the bytes."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = bytes | Callable[[socket.socket], None]


class Server:
    """Answers each request with the next of the given answers, and keeps what was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every connection and the thread."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        try:
            while self._answers and (head := _head(connection)):
                self.requests.append(head)
                answer = self._answers.pop(0)
                if not isinstance(answer, bytes):
                    answer(connection)
                    return
                connection.sendall(answer)
                if b"connection: close" in answer.lower():
                    connection.close()
                    return
        except OSError:
            return


def _head(connection: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return ""
        received += chunk
    return received.decode("latin-1")


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    """Run a server for the length of a test."""
    server = Server(list(answers))
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """End the connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
