"""Laws of capabilities: what is said can be done is done, and what cannot costs no call."""

from collections.abc import AsyncIterator

import pytest

from gateway.contract.operations import BY_NAME, RESOURCE_OPERATIONS
from tests.conformance.subject import Subject, body_of, problem_of


def path_of(name: str) -> str:
    """Where an operation is, with an id that no record has."""
    return BY_NAME[name].path.partition("{connection_id}/")[2].replace("{id}", "987654321")


async def test_every_operation_has_its_say(subject: Subject) -> None:
    assert subject.capabilities.keys() == {one.name for one in RESOURCE_OPERATIONS}
    for name, support in subject.capabilities.items():
        resource = subject.adapter.resources.get(BY_NAME[name].resource)
        there = resource is not None and resource.can(BY_NAME[name].verb)
        assert (support["support"] == "native") is there, f"{name} is {support}"
        assert there or support["reason"]
        assert support["filters"].keys() == {one.name for one in BY_NAME[name].filters}
        for one in BY_NAME[name].filters:
            works = support["filters"][one.name] in ("native", "emulated")
            assert works if there and one.guaranteed else there or not works


async def test_an_absent_verb_costs_no_call(subject: Subject) -> None:
    absent = [name for name, support in subject.capabilities.items() if support["support"] == "unsupported"]
    if not absent:
        pytest.skip(f"{subject.name}: it can do everything")
    for name in absent:
        operation = BY_NAME[name]
        body = b"{}" if operation.accepts is not None else None
        with subject.quiet():
            answer = await subject.ask(operation.method, path_of(name), body=body, lacking=True)
            assert problem_of(answer)["code"] == "operation_unsupported", f"{name}: {answer.text}"
        assert answer.status_code == 405
        allowed = {word.strip() for word in answer.headers["allow"].split(",")}
        there = {one.method for one in RESOURCE_OPERATIONS if one.path == operation.path and one.name not in absent}
        assert allowed == there | {"OPTIONS"} | ({"HEAD"} if "GET" in there else set()), "as the edge answers them too"


async def limited(subject: Subject) -> AsyncIterator[str]:
    """Connections to companies whose owner does not allow everything."""
    companies = body_of(await subject.ask("GET", "companies"))["data"]
    for company in companies:
        if company["accessible"] and company["allowed_scopes"]:
            yield await subject.house.connect(subject.name, company_id=company["id"])


async def test_a_missing_scope_costs_no_call(subject: Subject) -> None:
    missing = 0
    async for connection in limited(subject):
        answer = await subject.ask("GET", "capabilities", connection=connection)
        for name, support in body_of(answer)["operations"].items():
            if support["support"] != "missing_scope":
                continue
            operation = BY_NAME[name]
            body = b"{}" if operation.accepts is not None else None
            with subject.quiet():
                refused = await subject.ask(
                    operation.method, path_of(name), body=body, connection=connection, lacking=True
                )
            problem = problem_of(refused)
            assert (refused.status_code, problem["code"]) == (403, "scope_missing"), f"{name}: {refused.text}"
            assert problem["required_scope"] == support["scope"]
            assert support["scope"] not in problem["allowed_scopes"]
            missing += 1
    if not missing:
        pytest.skip(f"{subject.name}: it has no scopes that a company can lack")


async def test_companies_are_listed_and_one_is_chosen(subject: Subject) -> None:
    credentials = subject.widest_credentials()
    connection = await subject.house.connect(subject.name, credentials=credentials)
    companies = body_of(await subject.ask("GET", "companies", connection=connection))
    assert companies["next_cursor"] is None
    own = body_of(await subject.ask("GET", "", connection=connection))["company"]["id"]
    accessible = {one["id"] for one in companies["data"] if one["accessible"]}
    assert own in accessible
    body = {"provider": subject.name, "name": "Nog een", "credentials": credentials}
    answer = await subject.house.client.post("/v1/connections", json=body)
    if len(accessible) > 1:
        assert (answer.status_code, problem_of(answer)["code"]) == (422, "company_required")
        assert {one["id"] for one in answer.json()["companies"]} == {one["id"] for one in companies["data"]}
    else:
        assert answer.status_code == 201, answer.text
    for wrong in ["987654321", *(one["id"] for one in companies["data"] if not one["accessible"])]:
        answer = await subject.house.client.post("/v1/connections", json={**body, "company_id": wrong})
        told = (answer.status_code, problem_of(answer)["code"])
        # Where the company is part of the log-in, a system may not tell a wrong one from a wrong password.
        assert told in ((403, "company_not_accessible"), (422, "credentials_rejected")), answer.text
    assert {one["company"]["id"] for one in (await subject.house.client.get("/v1/connections")).json()["data"]} == (
        {own, (await subject.get(""))["company"]["id"]}
    ), "a refused connection was stored"


async def test_companies_do_not_see_each_other(subject: Subject) -> None:
    """Two connections with the same credentials, to two companies: a record of the one is not in the other."""
    credentials = subject.widest_credentials()
    first = await subject.house.connect(subject.name, credentials=credentials)
    own = body_of(await subject.ask("GET", "", connection=first))["company"]["id"]
    companies = body_of(await subject.ask("GET", "companies", connection=first))["data"]
    others = [one["id"] for one in companies if one["accessible"] and one["id"] != own]
    if not others:
        pytest.skip(f"{subject.name}: credentials reach one company only")
    second = await subject.house.connect(subject.name, credentials=credentials, company_id=others[0])
    answer = await subject.ask("POST", "contacts", body=await subject.draft("contacts"), connection=first)
    assert answer.status_code == 201, answer.text
    id = body_of(answer)["id"]
    assert (await subject.ask("GET", f"contacts/{id}", connection=first)).status_code == 200
    answer = await subject.ask("GET", f"contacts/{id}", connection=second)
    assert problem_of(answer)["code"] == "not_found"
    listed = body_of(await subject.ask("GET", "contacts", connection=second))["data"]
    assert id not in {one["id"] for one in listed}


async def test_the_provider_tells_how_to_connect(subject: Subject) -> None:
    facts = (await subject.house.client.get(f"/v1/providers/{subject.name}")).json()
    assert facts["title"] == subject.adapter.title
    kinds = {kind["type"]: kind for kind in facts["credentials"]}
    given = subject.emulator.credentials()
    required = {one["name"] for one in kinds[given["type"]]["fields"] if one["required"]}
    assert required <= given.keys() - {"type"} <= {one["name"] for one in kinds[given["type"]]["fields"]}
    assert facts["gotchas"]
    listed = (await subject.house.client.get("/v1/providers")).json()["data"]
    assert facts in listed


async def test_a_connection_without_credentials_waits_for_them(subject: Subject) -> None:
    body = {"provider": subject.name, "name": "Later"}
    pending = (await subject.house.client.post("/v1/connections", json=body)).json()
    assert pending["status"] == "pending"
    with subject.quiet():
        await subject.refused(424, "connection_pending", "GET", "contacts", connection=pending["id"])
    company = (await subject.get(""))["company"]["id"]
    given = {"credentials": dict(subject.emulator.credentials()), "company_id": company}
    answer = await subject.ask("PATCH", "", connection=pending["id"], body=given)
    assert (answer.status_code, body_of(answer)["status"]) == (200, "active"), answer.text
    assert (await subject.ask("GET", "contacts", connection=pending["id"])).status_code == 200


async def test_an_unknown_setting_is_refused(subject: Subject) -> None:
    with subject.quiet():
        await subject.refused(422, "unknown_field", "PATCH", "", body={"settings": {"nonsense": "x"}})
        for one in subject.adapter.settings:
            await subject.refused(422, "validation_failed", "PATCH", "", body={"settings": {one.name: {"a": 1}}})
