"""The proxy knows every route: what works embedded has the same address in the production shape."""

from __future__ import annotations

import pytest

from deploy.openapi import declared_by
from deploy.proxy import API, OUTSIDE, TEMPLATE
from deploy.services import SERVICE_CLASSES


@pytest.mark.parametrize("service", SERVICE_CLASSES)
def test_the_proxy_leads_every_route_to_its_service(service: str) -> None:
    known = {f"/api/v1/{path}" for path in API[service]} | {f"/{path}" for path in OUTSIDE.get(service, ())}
    paths = {each.path for each in declared_by(SERVICE_CLASSES[service])}
    assert not sorted(path for path in paths if not any(f"{path}/".startswith(f"{each}/") for each in known))


@pytest.mark.parametrize("service", SERVICE_CLASSES)
def test_the_proxy_is_patient_with_every_export(service: str) -> None:
    """Some formats send their first byte last; a proxy that gives up asks the other replica for the same again."""
    for path in {each.path for each in declared_by(SERVICE_CLASSES[service]) if each.path.endswith("/export")}:
        _, _, rest = TEMPLATE.read_text().partition(f"location = {path} {{")
        block = rest.partition("}")[0].split()
        assert block == ["proxy_pass", f"http://{service};", "proxy_buffering", "off;", "proxy_read_timeout", "15m;"]
