"""Every refusal that is documented or guessed becomes the right problem, whole, and in English where understood."""

import pytest

from adapters.rompslomp.wire import read_envelope, read_error, record_in, records_in, total_of
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps, loads
from gateway.contract.upstream import Reply


def refusal(status: int, kind: str, message: str, **headers: str) -> Problem:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    problem = read_error(Reply(status, told, dumps({"error": {"message": message, "type": kind}})))
    assert problem is not None
    assert problem.upstream is not None
    assert (problem.upstream.message, problem.upstream.code, problem.upstream.status) == (message, kind, status)
    return problem


@pytest.mark.parametrize(
    ("status", "kind", "message", "code"),
    [
        (401, "client.authentication.invalid_token", "Het toegangstoken is verlopen", "connection_needs_reauth"),
        (401, "client.authentication", "De API is niet beschikbaar.", "connection_needs_reauth"),
        (403, "client.authorization.invalid_scope", "Toegang vereist scope manage:contacts", "scope_missing"),
        (403, "client.authorization.access_denied", "Je hebt geen rechten.", "upstream_forbidden"),
        (402, "client.subscription_limit_reached", "Limiet bereikt", "upstream_forbidden"),
        (429, "client.quota_reached", "Quotum bereikt", "upstream_forbidden"),
        (404, "client.not_found.resource", "Contact kan niet worden gevonden", "not_found"),
        (404, "client.not_found.endpoint", "Endpoint does not exist", "not_found"),
        (400, "client.parameters.malformed_json", "De JSON is ongeldig.", "upstream_rejected"),
        (422, "client.parameters.unpermitted_parameters", "found unpermitted parameters: x", "upstream_rejected"),
        (422, "client.parameters.validation", "Product is invalid: Stuksprijs is geen getal.", "upstream_rejected"),
        (422, "client.parameters.validation", "Contact is invalid: Contact number is al in gebruik.", "conflict"),
        (422, "client.parameters.validation", "Factuur is invalid: Factuur is al gepubliceerd.", "conflict"),
        (409, "client.parameters.validation", "Bezet", "conflict"),
        (429, "client.rate_limit", "Te veel", "upstream_rate_limited"),
        (500, "server", "Oeps", "upstream_unavailable"),
        (503, "server", "Onderhoud", "upstream_unavailable"),
        (302, "weg", "Elders", "upstream_malformed"),
    ],
)
def test_a_refusal_is_the_right_kind_of_problem(status: int, kind: str, message: str, code: str) -> None:
    assert refusal(status, kind, message).code == code


@pytest.mark.parametrize(
    ("message", "english", "errors"),
    [
        (
            "Contact is invalid: Company name moet opgegeven zijn.",
            "Contact is invalid: Company name must be given.",
            [("/company_name", "required", "Company name")],
        ),
        (
            "Factuur is invalid: Factuurdatum moet na 01/01/1990 liggen.",
            "Invoice is invalid: Invoice date must be after 1990-01-01.",
            [("/issued_on", "out_of_range", "Factuurdatum")],
        ),
        (
            "Factuur is invalid: Btw-nummer moet opgegeven zijn. Payments bedrag is geen getal.",
            "Invoice is invalid: VAT number must be given. Payment amount is not a number.",
            [("/contact_id", "required", "Btw-nummer"), ("/amount", "invalid", "Payments bedrag")],
        ),
        (
            "Product is invalid: Product code is te lang (maximaal 100 tekens).",
            "Product is invalid: Product code is too long (at most 100 characters).",
            [("/code", "too_long", "Product code")],
        ),
        (
            "Rit is invalid: Date moet opgegeven zijn. Eindstand teller is geen getal.",
            "Rit is invalid: Date must be given. Eindstand teller is not a number.",
            [("", "required", "Date"), ("", "invalid", "Eindstand teller")],
        ),
        ("Contact is invalid: Iets nieuws bevalt niet.", None, [("", "rejected", None)]),
        ("Zomaar een zin.", None, []),
    ],
)
def test_a_sentence_is_kept_whole_read_in_english_and_pointed(
    message: str, english: str | None, errors: list[tuple[str, str, str | None]]
) -> None:
    problem = refusal(422, "client.parameters.validation", message)
    assert message in problem.detail
    assert problem.upstream is not None
    assert problem.upstream.message_en == english
    assert [(one.pointer, one.code, one.provider_field) for one in problem.errors] == errors
    if english is not None:
        assert all(one.message in english for one in problem.errors), "each is told in English where it is known"


def test_what_is_understood_of_a_refusal_is_english_though_the_rest_is_not() -> None:
    message = "Factuur is invalid: Stuksprijs moet opgegeven zijn. Iets nieuws bevalt niet."
    said = [one.message for one in refusal(422, "client.parameters.validation", message).errors]
    assert said == ["Unit price must be given", "Iets nieuws bevalt niet"]


def test_a_missing_scope_is_named() -> None:
    told = refusal(403, "client.authorization.invalid_scope", "Toegang tot deze resource vereist scope manage:contacts")
    assert told.extra == {"required_scope": "manage:contacts"}
    challenge = 'Bearer realm="Rompslomp API v1", error="invalid_scope", error_description="scope "public""'
    challenged = refusal(403, "client.authorization.invalid_scope", "Nee", www_authenticate=challenge)
    assert challenged.extra == {"required_scope": "public"}
    assert refusal(403, "client.authorization.invalid_scope", "Nee").extra == {}


@pytest.mark.parametrize(("header", "wait"), [("7", 7), ("", 60), ("soon", 60)])
def test_waiting_is_passed_on(header: str, wait: int) -> None:
    assert refusal(429, "client.rate_limit", "Te veel", retry_after=header).retry_after == wait


@pytest.mark.parametrize("body", [b"", b"<html>", b"42", b"[]", b'{"error": 1}', b'{"error": {"message": 3}}'])
@pytest.mark.parametrize(
    ("status", "code"), [(401, "connection_needs_reauth"), (404, "not_found"), (502, "upstream_unavailable")]
)
def test_a_refusal_without_a_body_goes_by_its_status(body: bytes, status: int, code: str) -> None:
    problem = read_error(Reply(status, {}, body))
    assert problem is not None
    assert (problem.code, problem.upstream and problem.upstream.message) == (code, None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"42", b"[]", b'{"contact"', b'"text"'])
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(Problem, match="upstream_malformed"):
        read_envelope(Reply(200, {"content-type": "application/json"}, body))


def test_root_keys_are_taken_out_strictly() -> None:
    assert read_envelope(Reply(204, {}, b"")) is None
    assert record_in({"contact": {"id": 1}}, "contact") == {"id": 1}
    assert [loads(one) for one in records_in(Reply(200, {}, b'{"contacts": [{"id": 1}]}'), "contacts")] == [{"id": 1}]
    malformed: list[object] = [None, {}, {"contacts": {}}, {"contact": [], "contacts": 1}, {"message": "x"}]
    for wrong in malformed:
        with pytest.raises(Problem, match="upstream_malformed"):
            record_in(wrong, "contact")
        with pytest.raises(Problem, match="upstream_malformed"):
            records_in(Reply(200, {}, dumps(wrong)), "contacts")


@pytest.mark.parametrize("text", ["", "-1", "many", "1.5", "٣"])
def test_a_list_that_does_not_say_how_long_it_is_is_no_list(text: str) -> None:
    assert total_of(Reply(200, {"x-total": "12"}, b"")) == 12
    with pytest.raises(Problem, match="upstream_malformed"):
        total_of(Reply(200, {"x-total": text}, b""))
