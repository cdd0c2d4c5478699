"""What the system says about itself: documents, health, metrics, and the refusals that no route makes."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from deploy.servers import missing
from shared.events import Event
from shared.events.queues import SERVICES
from tests.client import Client, System

FILES = ("swagger-ui.css", "swagger-ui-bundle.js")


def test_the_interface_is_described(system: System) -> None:
    document = system.nobody().send("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    for path in (
        "/facilities",
        "/findings",
        "/light-checks",
        "/work-orders/{number}/check",
        "/readings",
        "/auth/token",
    ):
        assert f"/api/v1{path}" in paths
    operations = [each for path in paths.values() for each in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["tags"] for operation in operations)


def test_every_event_is_described(system: System) -> None:
    document = system.nobody().send("GET", "/asyncapi.json").json()
    assert document["asyncapi"].startswith("3.")
    assert set(document["channels"]) == set(Event.known)


def test_the_page_of_documents_works_without_a_network(system: System) -> None:
    nobody = system.nobody()
    page = nobody.send("GET", "/docs")
    text = page.content.decode()
    assert page.headers["Content-Type"].startswith("text/html")
    assert not re.findall(r"""(?:src|href)="https?:""", text)
    for name in FILES:
        assert f"/docs/{name}" in text
        assert len(nobody.send("GET", f"/docs/{name}").content) > 10_000


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/swagger-ui-bundle.js", "/report/"])
def test_a_page_runs_nothing_but_its_own_and_lies_in_no_frame(system: System, path: str) -> None:
    answer = system.nobody().send("GET", path)
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))
    assert answer.status == 200
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
    assert "unsafe" not in policy.get("script-src", "")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_front_page_says_in_both_languages_where_to_go(system: System) -> None:
    nobody = system.nobody()
    text = nobody.send("GET", "/").content.decode()
    links = set(re.findall(r'href="([^"]+)"', text))
    assert links == {"/docs", "/openapi.json", "/asyncapi.json", "/report/?lang=en", "/report/?lang=zh"}
    assert all(nobody.send("GET", link.partition("?")[0]).status == 200 for link in links)
    assert "这里是系统的地址" in text
    assert not re.findall(r"https?://|src=|url\(", text)


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded"])
def test_a_link_leads_to_our_own_address_whatever_host_is_named(system: System, header: str) -> None:
    forged = {header: "host=evil.example" if header == "Forwarded" else "evil.example"}
    answers = [system.user("operator").send("GET", path, headers=forged) for path in LINKING]
    assert answers[0].json()["tiles"][0].startswith(system.base_url)
    for answer in [*answers, system.nobody().send("GET", "//docs//", headers=forged)]:
        assert b"evil" not in answer.content + str(answer.headers).encode()


LINKING = (
    "/api/v1/tiles.json",
    "/api/v1/facilities?limit=1",
    "/api/v1/facilities/labels.pdf?kind=bridge",
    "/f/L-1",
    "/",
)


@pytest.mark.parametrize("path", ["/docs/../pyproject.toml", "/docs/..%2f..%2fetc/passwd", "/docs/nothing", "/nothing"])
def test_what_is_not_there_is_a_problem_document(system: System, path: str) -> None:
    answer = system.nobody().send("GET", path)
    assert answer.status in (400, 404)
    assert answer.headers["Content-Type"] == "application/problem+json" or path.startswith("/docs/..")
    assert b"Traceback" not in answer.content


def test_a_wrong_method_is_a_problem_document(system: System) -> None:
    answer = system.nobody().send("DELETE", "/api/v1/findings")
    assert (answer.status, answer.json()["status"]) == (405, 405)
    assert set(re.split(r", ?", answer.headers["Allow"])) >= {"GET", "POST"}


def test_titles_come_in_the_readers_language(system: System) -> None:
    answers = {
        language: system.nobody().send("GET", "/api/v1/me", headers={"Accept-Language": language})
        for language in ("en", "zh-CN", "fi")
    }
    assert answers["en"].json()["title"] == answers["fi"].json()["title"] == "A valid token is needed."
    assert answers["zh-CN"].json()["title"] == "需要有效的令牌"


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_live_and_ready_and_shows_its_figures(system: System, service: str) -> None:
    with Client(system, None, base_url=system.service_urls[service]) as client:
        for path in ("/health/live", "/health/ready"):
            assert client.send("GET", path).json()["status"] == "ok"
    assert system.figure(service, "waywarden_outbox_pending", service=service) is not None
    assert system.figure(service, "waywarden_dead_letters", service=service) == 0


def test_metrics_and_health_are_not_proxied(system: System) -> None:
    if system.name == "embedded":
        pytest.skip("Embedded, there is one port for everything.")
    for path in ("/metrics", "/health/live", "/health/ready"):
        assert system.nobody().send("GET", path).status == 404


@pytest.mark.skipif(bool(missing("prometheus")) and not os.environ.get("CI"), reason="promtool is not installed")
@pytest.mark.parametrize("service", SERVICES)
def test_promtool_finds_no_fault_with_the_names_of_figures(system: System, service: str) -> None:
    with Client(system, None, base_url=system.service_urls[service]) as client:
        text = client.send("GET", "/metrics").content
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
