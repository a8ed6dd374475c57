"""Put on PYTHONPATH: every Python process then notes where it tries to connect.

Python imports a module of this name at start-up. Each attempt to connect a socket or to
look a host up becomes a line of the file named by EGRESS_LOG, whether it succeeds or not.
"""

import os
import sys

_LOG = os.environ.get("EGRESS_LOG")


def _note(event: str, arguments: tuple) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        target = arguments[1][0]
    elif event == "socket.getaddrinfo":
        target = arguments[0]
    else:
        return
    line = f"{event} {target!r} {os.path.basename(sys.argv[0] if sys.argv else '')}\n"
    descriptor = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


if _LOG:
    sys.addaudithook(_note)
