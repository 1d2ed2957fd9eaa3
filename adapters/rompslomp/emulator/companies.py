"""The token's owner and their companies (dossier §2, §4, "company"). These paths belong to no company."""

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from adapters.rompslomp.emulator.access import authorize_company
from adapters.rompslomp.emulator.answers import answer, no_content
from adapters.rompslomp.emulator.call import Call, Endpoint
from adapters.rompslomp.emulator.errors import BLANK, NOT_LISTED, Violations, access_denied
from adapters.rompslomp.emulator.fields import Attributes, assign, check
from adapters.rompslomp.emulator.state import Company, Profile
from adapters.rompslomp.emulator.tokens import TokenRow

OWNER = {"first_name": "Rob S.", "last_name": "Lomp", "email": "rob@example.org"}
_ATTRIBUTES: Attributes = {
    "name": "text",
    "owner_name": "text",
    "address": "text",
    "zipcode": "text",
    "city": "text",
    "country_code": "text",
    "kvk_number": "text",
    "email": "text",
    "website": "text",
    "type": "text",
    "vat_liable": "boolean",
    "vat_number": "text",
}
_TYPES = ("eenmanszaak", "vof", "bv", "vereniging", "stichting", "other")


def shown_company(company: Company, token: TokenRow) -> dict[str, Any]:
    """A company as a token's owner sees it: the allowed scopes are those of their role that the token has too."""
    allowed = [scope for scope in company.role_scopes if scope in token.scopes]
    access = {"api_accessible": company.api_accessible, "allowed_scopes": allowed}
    return {"id": company.id, **asdict(company.profile), "access_control": access}


def _me(_: Call) -> Response:
    return answer({"me": OWNER})


def _list(call: Call) -> Response:
    companies = call.state.companies.newest_first()
    return call.listed("companies", companies, lambda company: shown_company(company, call.token))


def _create(call: Call) -> Response:
    given = call.reader.permitted(call.wrapped("company"), _ATTRIBUTES)
    violations = Violations("Onderneming")
    check(given, _ATTRIBUTES, violations, {"name": "Bedrijfsnaam"})
    profile = Profile()
    assign(profile, given, *_ATTRIBUTES)
    profile.vat_liable = profile.vat_liable is not False
    if profile.name is None:
        violations.add("Bedrijfsnaam", BLANK)
    if profile.type is not None and profile.type not in _TYPES:
        violations.add("Type", NOT_LISTED)
    if profile.name is not None and profile.vat_liable and profile.vat_number is None:
        violations.add("Btw-nummer", BLANK)
    violations.settle()
    company = call.state.companies.add(Company(call.state.ids, profile))
    return answer({"company": shown_company(company, call.token)}, 201)


def _delete(call: Call) -> Response:
    company = call.record(call.state.companies, "Onderneming")
    authorize_company(company, ("manage:companies",), call.switches)
    if not company.owned:
        raise access_denied("Alleen de eigenaar kan deze onderneming verwijderen.")
    call.state.companies.remove(company)
    return no_content()


ENDPOINTS = (
    Endpoint("GET", "/me", _me, ("read:me",)),
    Endpoint("GET", "/companies", _list, ("public", "manage:companies")),
    Endpoint("POST", "/companies", _create, ("manage:companies",)),
    Endpoint("DELETE", "/companies/{id}", _delete, ("manage:companies",)),
)
