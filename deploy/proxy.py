"""The reverse proxy of the production shape: nginx, configured from the map of who answers which path."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from deploy.process import Process, answers
from deploy.servers import filled, nginx_program, owned, plain_environment, private_file, require
from shared.events.queues import SERVICES

TEMPLATE = Path(__file__).parent / "nginx.conf"

# Below /api/v1: the first part of the path.
API: dict[str, tuple[str, ...]] = {
    "assets": (
        "facilities", "catalogue", "kinds", "districts", "streets", "communities", "large-grid-cells", "grid-cells",
        "units", "rates", "lamp-states", "lamp-nights", "lighting-schedules", "tiles", "tiles.json", "drainage",
    ),
    "inspections": ("routes", "patrols", "findings", "finding-sources", "light-checks"),
    "workorders": (
        "work-orders", "dispatch-rules", "crews", "members", "sync", "photos", "kpis", "auth", "me",
    ),
    "alerts": ("sensors", "readings", "rules", "alerts"),
}  # fmt: skip
OUTSIDE: dict[str, tuple[str, ...]] = {
    "assets": ("f",),
    "inspections": ("open311", "report"),
    "alerts": ("cap", "console"),
}
# Every service answers these alike.
DOCUMENTS = ("openapi.json", "asyncapi.json", "docs")


class Proxy(Process):
    """nginx on ``port``, in front of each service's replicas on ``ports``."""

    def __init__(self, folder: Path, *, port: int, ports: Mapping[str, Sequence[int]], host: str = "127.0.0.1") -> None:
        require("nginx")
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        self._home = folder / "nginx"
        self._text = configuration(host=host, port=port, ports=ports)
        super().__init__(
            "nginx",
            [str(nginx_program()), "-p", str(self._home), "-c", str(self._home / "nginx.conf")],
            log=folder / "nginx.log",
            ready=lambda: answers(port),
            environment=plain_environment(),
            user="www-data",
            orphaned=signal.SIGTERM,  # its workers would outlive a killed master
            folder=Path("/"),
        )

    def launch(self, **extra: str) -> None:
        if self.status is not None:  # it was killed: its workers, of its group, would keep the port
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        owned(self._home, self.user)
        private_file(self._home / "nginx.conf", self._text, self.user)
        super().launch(**extra)


def configuration(*, host: str, port: int, ports: Mapping[str, Sequence[int]]) -> str:
    """nginx's configuration file. ``ports`` are those of each service's replicas."""
    upstreams = [upstream(service, ports[service]) for service in SERVICES]
    upstreams.append(upstream("any", [each for service in SERVICES for each in ports[service]]))
    locations = [location(rf"/api/v1/({'|'.join(API[service])})(/|$)", service) for service in SERVICES]
    locations += [location(rf"/({'|'.join(paths)})(/|$)", service) for service, paths in OUTSIDE.items()]
    locations.append(location(rf"/(({'|'.join(DOCUMENTS).replace('.', chr(92) + '.')})(/|$)|$)", "any"))
    values = {"host": host, "port": str(port)}
    values |= {"upstreams": "\n".join(upstreams), "locations": "\n".join(locations)}
    return filled(TEMPLATE, values)


def upstream(name: str, ports: Sequence[int]) -> str:
    """A replica that refused is left alone for a second, so that a restart is noticed soon."""
    servers = "".join(f"        server 127.0.0.1:{port} fail_timeout=1s;\n" for port in ports)
    return f"    upstream {name} {{\n{servers}        keepalive 64;\n    }}"


def location(pattern: str, service: str) -> str:
    return f"        location ~ ^{pattern} {{\n            proxy_pass http://{service};\n        }}"
