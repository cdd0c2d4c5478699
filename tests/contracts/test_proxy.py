"""The proxy knows every route: what works embedded has the same address in the production shape."""

from __future__ import annotations

import pytest

from deploy.openapi import declared_by
from deploy.proxy import API, OUTSIDE
from deploy.services import SERVICE_CLASSES


@pytest.mark.parametrize("service", SERVICE_CLASSES)
def test_the_proxy_leads_every_route_to_its_service(service: str) -> None:
    known = {f"/api/v1/{path}" for path in API[service]} | {f"/{path}" for path in OUTSIDE.get(service, ())}
    paths = {each.path for each in declared_by(SERVICE_CLASSES[service])}
    assert not sorted(path for path in paths if not any(f"{path}/".startswith(f"{each}/") for each in known))
