"""What the broker does with an event that comes back again and again."""

from __future__ import annotations

import math

import pytest

from deploy.broker import delivery_limit
from deploy.servers import Servers


@pytest.mark.parametrize("limit", [3, 20])
def test_that_the_broker_drops_events_is_found_by_trying(servers: Servers, limit: int) -> None:
    """With the rights of the service's own user."""
    servers.rabbitmq.add_vhost(f"limit-{limit}")
    servers.rabbitmq.set_policy(f"limit-{limit}", {"delivery-limit": limit})
    url = servers.rabbitmq.url_of(f"limit-{limit}", "assets")
    assert delivery_limit(url, "assets") == limit + 1  # the first delivery is not counted
    assert ".trial-" not in servers.rabbitmq.ctl("list_queues", "-p", f"limit-{limit}", "name")


@pytest.mark.parametrize("vhost", ["/", "lifted"])
def test_our_own_broker_drops_nothing(servers: Servers, vhost: str) -> None:
    url = servers.amqp_url if vhost == "/" else servers.rabbitmq.add_vhost(vhost)
    assert delivery_limit(url, "workorders") == math.inf
    assert "100000" in servers.rabbitmq.ctl("list_policies", "-p", vhost)
    assert set(servers.rabbitmq.ctl("list_queues", "-p", vhost, "--no-table-headers", "policy").split()) == {
        "waywarden"
    }
