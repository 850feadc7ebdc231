"""`manage.py` for the scripts of tests, run by a process that has loaded the service.

As a program of its own, each of its commands would take a second to start.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

from embedded import ports
from tests.warm import Heard

# It needs no package, and starts in 20 ms.
_CLIENT = f"""
import json, os, socket, sys
with socket.create_connection(("{ports.HOST}", int(sys.argv[1]))) as there:
    there.sendall(json.dumps([os.getcwd(), *sys.argv[2:]]).encode() + b"\\n")
    with there.makefile() as said:
        code, output, errors = json.loads(said.read())
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""


@contextmanager
def manage_py(folder: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """What a script has to say for `python manage.py`; a file for it is made in the folder."""

    class Answer(StreamRequestHandler):
        def handle(self) -> None:
            place, *command = json.loads(self.rfile.readline())
            process = Heard(variables, *command, folder=place)
            output, errors = process.communicate()
            said = [process.returncode, output.decode(), errors.decode()]
            self.wfile.write(json.dumps(said).encode())

    client = folder / "manage.py"
    client.write_text(_CLIENT)
    with ThreadingTCPServer((ports.HOST, 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"{sys.executable} -S {client} {server.server_address[1]}"
        finally:
            server.shutdown()
