"""Who may come in: subscription keys, connection keys, tokens, and how many calls they may make (dossier 1, 5.3)."""

import base64
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from adapters.snelstart.emulator import errors
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.errors import Refused
from adapters.snelstart.emulator.switches import Limits, Switches
from gateway.contract import exact
from gateway.contract.clock import Clock

_INVALID_KEY = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)
_MISSING_KEY = (
    "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an "
    "API."
)
_FORM = "application/x-www-form-urlencoded"
_WINDOWS = (("per_minute", 60), ("per_hour", 3600), ("per_week", 7 * 86400))


@dataclass(frozen=True, slots=True)
class Token:
    """An access token given out: for which administration, until when, and for what."""

    administration: Administration
    until: datetime
    scopes: frozenset[str]


class Access:
    """The gateway before the API, and the server that hands out tokens."""

    def __init__(self, clock: Clock, switches: Switches, limits: Limits, new_bytes: Callable[[int], bytes]) -> None:
        self.clock = clock
        self.switches = switches
        self.limits = limits
        self._new_bytes = new_bytes
        self.subscription_keys = (new_bytes(16).hex(), new_bytes(16).hex())
        """The primary and the secondary key of the integrator: both work, so that one can be replaced."""
        self.connection_keys: dict[str, Administration] = {}
        self._tokens: dict[str, Token] = {}
        self._calls: dict[str, deque[float]] = {}

    def connect(self, administration: Administration) -> str:
        """A new connection key for an administration: base64 of a name and a password, and an ordeal for encoders."""
        while True:
            name = self._new_bytes(8).hex()
            password = base64.b85encode(self._new_bytes(40)).decode()
            key = base64.b64encode(f"{name}:{password}".encode()).decode()
            if {"+", "/", "="} <= set(key):
                self.connection_keys[key] = administration
                return key

    def disconnect(self, key: str) -> None:
        """As when the customer deletes the coupling: the key, and every token it got, work no more."""
        administration = self.connection_keys.pop(key)
        self._tokens = {text: token for text, token in self._tokens.items() if token.administration != administration}

    def expire_tokens(self) -> None:
        """Make every token given out so far worthless."""
        self._tokens.clear()

    def exchange(self, content_type: str, body: bytes) -> tuple[int, object]:
        """Answer a request for a token. The key must be in a form, and encoded: a bare ``+`` there is a blank."""
        form: Mapping[str, str] = {}
        if content_type.partition(";")[0].strip().lower() == _FORM:
            form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        grant = form.get("grant_type")
        if grant == "clientkey":
            key = form.get("clientkey", "")
            if key not in self.connection_keys:
                text = "GrantType clientkey was found. Parameter clientkey does not contain a valid value"
                return 400, {"error": text}
        elif grant == "password":
            pair = f"{form.get('username', '')}:{form.get('password', '')}"
            key = base64.b64encode(pair.encode()).decode()
            if key not in self.connection_keys:
                return 400, {"error": "invalid_grant"}
        else:
            return 400, {"error": "unsupported_grant_type" if grant else "invalid_request"}
        token = self._mint(self.connection_keys[key])
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": self.switches.token_seconds}

    def check_subscription(self, headers: Mapping[str, str], query: Iterable[tuple[str, str]]) -> str:
        """The subscription key that came along, by header or query. Raises ``Refused`` in the gateway's shape."""
        given = headers.get("ocp-apim-subscription-key") or dict(query).get("subscription-key")
        if not given:
            raise errors.gateway(401, _MISSING_KEY)
        if given not in self.subscription_keys:
            raise errors.gateway(401, _INVALID_KEY)
        return given

    def check_bearer(self, headers: Mapping[str, str]) -> Token:
        """The token that came along. Raises ``Refused`` in the API's own shape, unlike that of the gateway."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        token = self._tokens.get(text.strip())
        if scheme.lower() == "bearer" and token is not None and self.clock.now() < token.until:
            return token
        body = b""
        if self.switches.bearer_refusal == "message":
            body = exact.dumps({"message": "Authorization has been denied for this request."})
        raise Refused(401, body)

    def check_scopes(self, token: Token, scopes: Iterable[str]) -> None:
        """Raises ``Refused`` where the token lacks one of the scopes."""
        if not set(scopes) <= token.scopes:
            body = exact.dumps({"message": "Forbidden"}) if self.switches.scope_refusal == "message" else b""
            raise Refused(403, body)

    def count(self, counter: str) -> None:
        """Count a call. Raises ``Refused`` where it is one too many; calls beyond a limit count no further."""
        now = self.clock.monotonic()
        calls = self._calls.setdefault(counter, deque())
        while calls and calls[0] <= now - _WINDOWS[-1][1]:
            calls.popleft()
        for name, seconds in _WINDOWS:
            most: int | None = getattr(self.limits, name)
            if most is not None and len(calls) >= most and calls[-most] > now - seconds:
                wait = max(1, math.ceil(calls[-most] + seconds - now))
                if name == "per_week":
                    left = f"{wait // 3600:02d}:{wait // 60 % 60:02d}:{wait % 60:02d}"
                    raise errors.gateway(403, f"Out of call volume quota. Quota will be replenished in {left}.")
                headers = {"retry-after": str(wait)} if self.switches.retry_after else {}
                raise errors.gateway(429, f"Rate limit is exceeded. Try again in {wait} seconds.", headers)
        calls.append(now)

    def _mint(self, administration: Administration) -> str:
        """A JWT in form: its claims can be read, its signature is random and looked up rather than verified."""
        until = self.clock.now() + timedelta(seconds=self.switches.token_seconds)
        claims = {
            "administratieIdentifier": administration.identifier,
            "scopes": " ".join(self.switches.scopes),
            "exp": int(until.timestamp()),
        }
        parts = (exact.dumps({"alg": "RS256", "typ": "JWT"}), exact.dumps(claims), self._new_bytes(32))
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        self._tokens[text] = Token(administration, until, frozenset(self.switches.scopes))
        return text
