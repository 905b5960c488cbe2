#!/usr/bin/env python3
"""ClickHouse's HTTP interface in front of the engine, which by itself is a library without a server.

What is spoken: GET /ping; GET or POST / with the statement in `query`, in the body, or begun in `query` with its data in
the body; settings as URL parameters; `param_<name>` for query parameters; `database`, `default_format`; bodies plain or
chunked; errors as text with their code in X-ClickHouse-Exception-Code.
"""

import argparse
import os
import re
import signal
import socketserver
import tempfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler

from chdb.session import Session

# Parameters of the interface itself; every other one is a setting.
OWN = {
    "query", "database", "default_format", "user", "password", "query_id", "session_id", "session_timeout",
    "session_check", "compress", "decompress", "buffer_size", "wait_end_of_query", "enable_http_compression", "role",
    "quota_key", "client_protocol_version", "http_write_exception_in_output_format",
    # The whole answer is held before it is sent, so these have nothing to change.
    "send_progress_in_http_headers", "cancel_http_readonly_queries_on_client_close", "output_format_native_write_json_as_string",
}
BY_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
INSERT_FORMAT = re.compile(rb"^\s*INSERT\s+INTO\b.*?\bFORMAT\s+([A-Za-z0-9_]+)\s*;?\s*$", re.I | re.S)
INSERT_INLINE = re.compile(rb"^(\s*INSERT\s+INTO\b[^;]*?\bFORMAT\s+(?!VALUES\b)([A-Za-z0-9_]+))[ \t]*\r?\n(.*)$", re.I | re.S)
READS = re.compile(r"^\s*(SELECT|WITH|SHOW|DESCRIBE|DESC|EXISTS|EXPLAIN)\b", re.I)
OUT_FORMAT = re.compile(r"\bFORMAT\s+([A-Za-z0-9_]+)\s*(?:SETTINGS\b.*)?;?\s*$", re.I | re.S)
CODE = re.compile(r"Code: (\d+)")
# Requests that are answered at a time, and sessions that wait for further ones.
AT_A_TIME = 4
KEPT = 32


class Failed(Exception):
    """A refusal of the engine or of this front: (HTTP status, ClickHouse's code, text)."""

    def __init__(self, status, code, text):
        super().__init__(text)
        self.status, self.code = status, code


class Engine:
    """The engine and its sessions. A session stays in one database, since a thread would forget USE and SET, and answers one request at a time."""

    def __init__(self, path):
        self.path = path
        # Those that nobody uses, with their databases, the last used one at the end.
        self.free = []
        self.making = threading.Lock()
        self.places = threading.BoundedSemaphore(AT_A_TIME)
        # Answers nothing: the engine ends with its last session.
        self.held = Session(path)

    def take(self, database):
        with self.making:
            for place in reversed(range(len(self.free))):
                if self.free[place][0] == database:
                    return self.free.pop(place)[1]
            session = Session(self.path)
        if database != "default":
            session.query(f"USE `{database}`")
        return session

    def give_back(self, database, session):
        with self.making:
            self.free.append((database, session))
            if len(self.free) > KEPT:
                self.free.pop(0)[1].close()

    def run(self, database, statement, form, parameters):
        if "`" in database:
            raise Failed(400, 36, "a database name has no back-tick")
        with self.places:
            try:
                session = self.take(database)
                answer = session.query(statement, form, params=parameters or None)
                said = bytes(answer.bytes()) if answer is not None else b""
            except Exception as cause:
                # The session is not used again: its database may be gone.
                text = str(cause)
                found = CODE.search(text)
                code = int(found.group(1)) if found else 1002
                raise Failed(status_of(code), code, text) from None
            self.give_back(database, session)
            return said

    def close(self):
        """Waits for what is being answered."""
        for _ in range(AT_A_TIME):
            self.places.acquire()
        for _, session in self.free:
            session.close()
        self.held.close()


def status_of(code):
    """HTTP status for an error of the engine, as a full server answers."""
    if code in (47, 62, 27, 36, 38, 41, 43, 44, 46, 53, 57, 70, 72, 115, 456):
        return 404 if code in (46,) else 400
    return {60: 404, 81: 404, 159: 408, 241: 500}.get(code, 500)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave together: apart, the body would wait for the client's system to acknowledge the head, some 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        spooled = None
        try:
            address = urllib.parse.urlsplit(self.path)
            spooled = self.read_body()
            if address.path == "/ping":
                return self.send(200, b"Ok.\n")
            if address.path != "/":
                raise Failed(404, 0, f"there is no handler {address.path}")
            given = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
            self.send(200, self.execute(given, spooled))
        except Failed as refusal:
            self.send(refusal.status, f"{refusal}\n".encode(), refusal.code)
        finally:
            if spooled:
                os.unlink(spooled)

    def execute(self, given, spooled):
        for flag in ("compress", "decompress"):
            if given.get(flag, "0") not in ("0", "false"):
                raise Failed(400, 1, f"{flag} is not spoken here, switch compression off in the client")
        database = given.get("database") or self.headers.get("X-ClickHouse-Database") or "default"
        form = given.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        settings = [(name, value) for name, value in given.items() if name not in OWN and not name.startswith("param_")]
        parameters = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
        statement = given.get("query", "")
        if not statement:
            with open(spooled, "rb") as body:
                text = body.read()
            inline = INSERT_INLINE.match(text)
            if inline is None:
                return self.server.engine.run(database, *with_settings(text.decode(), settings, form), parameters)
            statement = inline.group(1).decode()
            with open(spooled, "wb") as body:
                body.write(inline.group(3))
        begun = INSERT_FORMAT.match(statement.encode())
        if begun is None:
            with open(spooled, "rb") as body:
                rest = body.read().decode()
            return self.server.engine.run(database, *with_settings(statement + "\n" + rest, settings, form), parameters)
        name = begun.group(1).decode()
        head = re.sub(r"\bFORMAT\s+[A-Za-z0-9_]+\s*;?\s*$", "", statement, flags=re.I)
        if os.path.getsize(spooled) == 0:
            return b""
        whole = f"{head} FROM INFILE '{spooled}' {clause(settings)} FORMAT {name}"
        self.server.engine.run(database, whole, "TabSeparated", parameters)
        return b""

    def read_body(self):
        """Spools the body into a file, which the engine then reads by itself; answers the file's name."""
        handle, name = tempfile.mkstemp(prefix="groot-", dir=self.server.spool)
        with os.fdopen(handle, "wb") as out:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    copy(self.rfile, out, size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
            else:
                copy(self.rfile, out, int(self.headers.get("Content-Length") or 0))
        return name

    def send(self, status, body, code=None):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Server-Display-Name", "groot-local")
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        if len(values) > 1 and str(values[1]) != "200":
            super().log_message(form, *values)


def with_settings(statement, settings, form):
    """The statement with its settings in it, and the format of its answer."""
    statement = statement.strip().rstrip(";")
    named = OUT_FORMAT.search(statement)
    if named and READS.match(statement):
        form = named.group(1)
        statement = statement[: named.start()] + statement[named.end(1):]
    if settings and READS.match(statement) and not re.search(r"\bSETTINGS\b", statement, re.I):
        statement = f"{statement} {clause(settings)}"
    return statement, form


def clause(settings):
    pairs = []
    for name, value in settings:
        if not BY_NAME.match(name):
            raise Failed(400, 115, f"{name!r} is no setting")
        quoted = value if re.fullmatch(r"-?\d+(\.\d+)?", value) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        pairs.append(f"{name} = {quoted}")
    return "SETTINGS " + ", ".join(pairs) if pairs else ""


def copy(source, target, size):
    while size:
        piece = source.read(min(size, 1 << 20))
        if not piece:
            raise Failed(400, 99, "the body ended early")
        target.write(piece)
        size -= len(piece)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--data", required=True)
    given = arguments.parse_args()
    spool = os.path.join(given.data, "spool")
    os.makedirs(spool, exist_ok=True)
    for left in os.listdir(spool):
        os.unlink(os.path.join(spool, left))
    server = Server(("127.0.0.1", given.port), Handler)
    server.spool = spool
    server.engine = Engine(os.path.join(given.data, "engine"))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.engine.close()


if __name__ == "__main__":
    main()
