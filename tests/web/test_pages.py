"""The pages beside the API: probes, documentation, metrics; none of them asks anybody outside."""

import hashlib
import html
import re
import shutil
import socket
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.web.health import CHECKED_FOR
from gateway.web.pages import all_pages
from gateway.web.problems import ALL_KINDS
from gateway.web.remedies import REMEDIES
from tests.web.edge import Edge

pytestmark = pytest.mark.anyio

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class References(HTMLParser):
    """Whatever a page would load or lead to, and any script or style of its own."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]
        self.inline += [value or "" for name, value in attrs if name.startswith("on") or name == "style"]
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


# Probes


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
async def test_alive_depends_on_nothing(edge: Edge, path: str) -> None:
    edge.storage.broken = True
    edge.app.drain()
    answer = await edge.anonymous.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert edge.storage.checks == 0


async def test_ready_while_the_storage_can_be_written_to(edge: Edge) -> None:
    assert (await edge.anonymous.get("/readyz")).status_code == 200
    edge.storage.broken = True
    edge.clock.advance(CHECKED_FOR)
    answer = await edge.anonymous.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    edge.storage.broken = False
    assert (await edge.anonymous.get("/readyz")).status_code == 200


async def test_probing_is_no_load_on_the_storage(edge: Edge) -> None:
    for _ in range(20):
        await edge.anonymous.get("/readyz")
    assert edge.storage.checks == 1


async def test_not_ready_while_draining_though_requests_are_answered(edge: Edge) -> None:
    edge.app.drain()
    answer = await edge.anonymous.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "draining"})
    assert (await edge.client.get("/v1/providers")).status_code == 200


# Documents


async def test_the_document_is_served_with_its_own_address(edge: Edge) -> None:
    answer = await edge.anonymous.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told["openapi"].startswith("3.1")
    assert told["servers"][0]["url"] == "/"
    assert told["components"]["examples"]["not_found"]["value"]["type"] == "https://polder.test/docs/problems/not_found"


async def test_metrics_are_served(edge: Edge) -> None:
    answer = await edge.anonymous.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "polder_build_info" in answer.text


# Documentation


async def test_the_documentation_refers_to_this_origin_only(edge: Edge) -> None:
    page = await edge.anonymous.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    found = References(page.text)
    assert found.inline == []
    outside = [address for address in found.addresses if "//" in address]
    assert outside == []
    for address in found.addresses:
        if address != "data:,":
            asset = await edge.anonymous.get(f"/{address}")
            assert (asset.status_code, len(asset.content) > 100) == (200, True)


async def test_the_browser_may_ask_nobody_else(edge: Edge) -> None:
    policy = (await edge.anonymous.get("/docs")).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == rules["script-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*|unsafe-eval", policy)


def test_what_is_vendored_is_what_was_published_with_its_licence() -> None:
    folder = Path(str(files("gateway.web"))) / "vendor" / "swagger-ui"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split() for line in lines)}
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE"} <= listed.keys()
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "Apache License" in (folder / "LICENSE").read_text()


@pytest.mark.parametrize("code", ALL_KINDS)
async def test_every_problem_has_its_page(edge: Edge, code: str) -> None:
    answer = await edge.anonymous.get(f"/docs/problems/{code}")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert code in answer.text
    assert str(ALL_KINDS[code].status) in answer.text
    assert References(answer.text).addresses == ["../problems"]


@pytest.mark.parametrize("code", ALL_KINDS)
async def test_a_problems_page_says_what_to_do_and_what_to_tell_the_owner(edge: Edge, code: str) -> None:
    page = html.unescape((await edge.anonymous.get(f"/docs/problems/{code}")).text)
    remedy = REMEDIES[code]
    assert remedy.nl in page
    assert remedy.en in page
    assert re.sub(r"`([^`]+)`", r"<code>\1</code>", remedy.how) in page


def test_every_problem_has_a_remedy_and_a_sentence_in_each_language() -> None:
    assert REMEDIES.keys() == ALL_KINDS.keys()
    for code, remedy in REMEDIES.items():
        for sentence in (remedy.how, remedy.nl, remedy.en):
            assert sentence.endswith("."), code
        for told in (remedy.nl, remedy.en):
            assert 20 < len(told) <= 160, code
            assert not set("`{}_") & set(told), f"{code}: the owner knows nothing of APIs"
        assert remedy.nl != remedy.en, code


async def test_the_list_of_problems_leads_to_each(edge: Edge) -> None:
    found = References((await edge.anonymous.get("/docs/problems")).text)
    assert found.addresses == [f"problems/{code}" for code in ALL_KINDS]


@pytest.mark.parametrize("code", ["nothing", "%3Cscript%3E", "not_found%00"])
async def test_an_unknown_problem_has_none(edge: Edge, code: str) -> None:
    answer = await edge.anonymous.get(f"/docs/problems/{code}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_no_page_asks_for_a_key(edge: Edge) -> None:
    edge_pages = all_pages(edge.app._health, "https://polder.test")
    for template in edge_pages:
        answer = await edge.anonymous.get(template.replace("{code}", "not_found"))
        assert answer.status_code == 200


async def test_the_documentation_works_in_a_browser_without_a_network(edge: Edge) -> None:
    program = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium found on PATH (looked for {', '.join(CHROMIUMS)})")
    await look_at(edge, program)


async def look_at(edge: Edge, program: str) -> None:
    import asyncio

    import uvicorn
    from playwright.async_api import async_playwright

    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(edge.app, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    asked: list[str] = []
    complaints: list[str] = []
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = await browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(f"{origin}/docs")
            await page.locator("#operations-tag-contacts").click(timeout=30_000)
            await page.get_by_text("Create a contact", exact=True).click(timeout=30_000)
            await page.get_by_text("Bloemenhandel").first.wait_for(timeout=30_000)
            await browser.close()
    finally:
        server.should_exit = True
        await serving
    assert complaints == []
    assert {f"{origin}/openapi.json", f"{origin}/docs/swagger-ui-bundle.js"} <= set(asked)
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []
