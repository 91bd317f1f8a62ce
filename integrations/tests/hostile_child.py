"""A process of its own that imports hostile links while every lookup and connection is recorded, and none is made.

Standard input: `{"urls": […], "answers": [[…], …]}`: links, and the addresses of each lookup in turn. Standard output:
`{"outcomes": […], "looked_up": […], "connected": […]}`.
"""

import json
import socket
import sys
from typing import Any

from integrations.importers.base import ImporterError
from integrations.importers.by_link import Manners, fetch_chat
from integrations.importers.links import parse_share_url
from integrations.pace import Pace

LOCAL_FAMILIES = (socket.AF_UNIX,)


def main() -> None:
    given = json.load(sys.stdin)
    answers, looked_up, connected = list(given["answers"]), list[str](), list[Any]()

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        """The name server of a hostile name: each time it has another answer."""
        looked_up.append(host)
        addresses = answers.pop(0) if answers else []
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto") and arguments[0].family not in LOCAL_FAMILIES:
            connected.append(list(arguments[1][:2]))
            raise OSError("no connection leaves this process")
        if event == "socket.gethostbyname":
            looked_up.append(str(arguments[0]))

    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
    sys.addaudithook(audit)
    manners = Manners(obeys_robots=given["obeys_robots"], pace=Pace(sleep=lambda seconds: None))
    outcomes = [outcome(url, manners) for url in given["urls"]]
    json.dump({"outcomes": outcomes, "looked_up": looked_up, "connected": connected}, sys.stdout)


def outcome(url: str, manners: Manners) -> str:
    try:
        fetch_chat(parse_share_url(url), manners)
    except ImporterError as error:
        return error.code
    return "ok"


if __name__ == "__main__":
    main()
