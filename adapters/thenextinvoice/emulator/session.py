"""Who is asking: logging in, switching company, and the two ways to prove it afterwards."""

import base64
import hashlib
import hmac

from adapters.thenextinvoice.emulator.fields import Field, read
from adapters.thenextinvoice.emulator.state import Company, Service, Session, User
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Operation, Refusal, json_of
from gateway.contract.exact import dumps

_SIGNING_KEY = b"a key that only this emulator knows"


def log_in(service: Service, raw: bytes, content_type: str) -> Answer:
    """Answer ``POST /session/jwt``. A wrong e-mail, password or company cannot be told apart."""
    given = read(
        json_of(raw, content_type),
        {"email": Field("text", True), "password": Field("text", True), "company": Field("integer")},
    )
    user = next((user for user in service.users.values() if user.email == given["email"].strip().lower()), None)
    if user is None or not hmac.compare_digest(user.password.encode(), given["password"].encode()):
        raise Refusal(401, "Invalid login")
    if not user.companies:
        raise Refusal(401, "You do not have access to any companies")
    wanted = given.get("company") or user.companies[0]
    if wanted not in user.companies:
        raise Refusal(401, "Invalid login")
    return Data({"token": issue(service, user, service.companies[wanted]), "status": "confirmed"})


def switch_company(call: Call) -> Answer:
    """Answer ``POST /session/jwt/switch``: a token for another company of the same user."""
    wanted = read(call.json(), {"company": Field("integer", True)})["company"]
    if call.by_api_token or wanted not in call.user.companies:
        raise Refusal(401, "You do not have access to this company")
    return Data({"token": issue(call.service, call.user, call.service.companies[wanted])})


def issue(service: Service, user: User, company: Company) -> str:
    """A new JWT, HS256, good for the service's token lifetime."""
    now = service.clock.now()
    expires_at = now + service.token_lifetime
    claims: dict[str, int | str] = {
        "iss": "thenextinvoice",
        "sub": str(user.id),
        "company": company.id,
        "iat": int(now.timestamp()),
        "jti": str(service.next_id("session")),
    }
    if service.switches.token_exp:
        claims["exp"] = int(expires_at.timestamp())
    signed = f"{_segment(dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{_segment(dumps(claims))}"
    signature = hmac.new(_SIGNING_KEY, signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{_segment(signature)}"
    service.sessions[token] = Session(user, company, expires_at)
    return token


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def whoever(service: Service, authorization: str | None, api_token: str | None) -> tuple[User, Company, bool]:
    """The user and company behind the credentials, and whether they are an API token. Refuses with 401."""
    if api_token is not None:
        known = service.api_tokens.get(api_token)
        if known is None:
            raise Refusal(401, "Invalid API token")
        return *known, True
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal(401, "Not authenticated")
    session = service.sessions.get(token)
    if session is None or session.expires_at <= service.clock.now():
        raise Refusal(401, "Token is invalid or expired")
    return session.user, session.company, False


def list_companies(call: Call) -> Answer:
    """Answer ``GET /company``: an API token reaches its own company only."""
    reach = [call.company.id] if call.by_api_token else call.user.companies
    companies = [call.service.companies[company_id] for company_id in reach]
    if not companies:
        raise Refusal(401, "You do not have access to any companies")
    return Data(
        [
            {
                "id": company.id,
                "name": company.name,
                "address": company.address,
                "postalcode": company.postalcode,
                "city": company.city,
                "coc": company.coc,
                "next_number": company.next_number,
                "next_qnumber": company.next_quotation,
                "country": company.country,
                "logo": company.logo,
            }
            for company in companies
        ]
    )


OPERATIONS = (
    Operation("POST", "/session/jwt/switch", switch_company, body="json"),
    Operation("GET", "/company", list_companies),
)
