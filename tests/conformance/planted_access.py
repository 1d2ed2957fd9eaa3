"""Small faults in who gets in and what he reaches: tokens, keys, tenants, secrets, companies, the raw passage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from gateway.contract.adapter import Adapter
from gateway.contract.auth import AccessToken, CredentialKind
from gateway.contract.errors import Outcome, Problem
from gateway.contract.exact import dumps, loads
from gateway.contract.models import CompanyAccess, ConnectionChange, ConnectionDraft
from gateway.contract.models.connections import CredentialFieldFacts
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request
from gateway.engine import perform, raw
from gateway.engine.access import keys
from gateway.engine.call import Answer, Caller
from gateway.engine.connections import capabilities, connections, verification
from gateway.engine.connections.connections import Connections
from gateway.engine.connections.verification import chosen_company
from gateway.engine.generations import Ended, Matter, Slots
from gateway.engine.network.redaction import abridged, without_secrets
from gateway.engine.outbound import calls, upstream
from gateway.engine.outbound.calls import Announce, Calls
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.providers import Provider
from gateway.engine.storage import Changing, StoredConnection, StoredToken
from gateway.engine.tokens import broker, endpoints, lifetimes
from gateway.engine.tokens.broker import Tokens
from gateway.engine.tokens.refusals import Refusals
from gateway.store.sql import SqlConnections
from tests.conformance import test_capabilities, test_raw, test_secrets, test_tenants, test_tokens
from tests.conformance.planting import MOVING, Bugs

BUGS = Bugs()


@BUGS.caught_by(test_tokens.test_a_token_refused_before_its_time_is_replaced_once)
def refused_token_given_out(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A token that was refused is given out again for as long as it should have lived."""

    async def broken(self: Tokens, connection: StoredConnection, provider: Provider, rejected: AccessToken) -> object:
        return await self.current(connection, provider)

    monkeypatch.setattr(Tokens, "replace", broken)
    return ADAPTER


@BUGS.caught_by(test_tokens.test_a_refused_token_is_replaced_for_a_write_too, times=1)
def refused_token_of_a_write(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """No write is sent a second time, not even where its token was refused."""
    honest = Outbound._rejects_token
    asked: list[Request] = []

    async def noted(self: Calls, request: Request, token: AccessToken, announce: Announce) -> Reply:
        asked.append(request)
        return await send(self, request, token, announce)

    send = Calls.send
    monkeypatch.setattr(Calls, "send", noted)
    monkeypatch.setattr(Outbound, "_rejects_token", lambda self, reply: not asked[-1].is_write and honest(self, reply))
    return ADAPTER


@BUGS.caught_by(test_tokens.test_a_write_that_no_token_could_be_had_for_was_not_sent)
def no_token_leaves_doubt(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write that no token could be had for counts as one of which nobody knows."""
    honest = Outbound.exchange

    async def broken(self: Outbound, request: Request) -> Reply:
        self._calls.became(request, "unknown")
        return await honest(self, request)

    monkeypatch.setattr(Outbound, "exchange", broken)
    return ADAPTER


@BUGS.caught_by(
    test_tokens.test_a_write_that_was_done_is_not_called_unsent_for_want_of_a_token, MOVING, what="contacts"
)
def last_call_speaks_for_the_write(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """That one call of a write was not sent is told of the whole write."""

    honest = Tokens.replace

    def told(self: Problem, outcome: Outcome) -> Problem:
        self.outcome = self.outcome or outcome
        return self

    async def broken(self: Tokens, *asked: Any) -> AccessToken:
        try:
            return await honest(self, *asked)
        except Problem as problem:
            problem.outcome = "not_sent"
            raise

    monkeypatch.setattr(Problem, "as_outcome", told)
    monkeypatch.setattr(Tokens, "replace", broken)
    return MOVING


@BUGS.caught_by(test_tokens.test_who_waits_for_the_same_token_hears_of_his_own_write_only, MOVING)
def one_problem_for_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """All who wait for one token hear the very same problem, with what was said of the first one's write."""
    monkeypatch.setattr(Problem, "copy", lambda self: self)
    return MOVING


@BUGS.caught_by(test_tokens.test_a_fresh_token_is_used_again)
def never_fresh(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A token is renewed from the moment on that it was had."""

    def broken(stored: StoredToken, connection_id: str) -> datetime:
        return stored.received_at

    monkeypatch.setattr(broker, "fresh_until", broken)
    monkeypatch.setattr(lifetimes, "fresh_until", broken)
    return ADAPTER


@BUGS.caught_by(test_tokens.test_refused_credentials_need_their_owner)
def asked_over_and_over(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Credentials that were refused are tried again by everybody who asks."""
    monkeypatch.setattr(Refusals, "heed", lambda self, connection: None)
    return ADAPTER


@BUGS.caught_by(test_tokens.test_credentials_are_tried_before_they_are_stored)
def stored_before_tried(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A connection is made first, and its credentials are tried then."""
    honest = Connections.create

    async def broken(
        self: Connections, caller: Caller, draft: ConnectionDraft, *rest: Any, **named: Any
    ) -> StoredConnection:
        pending = await honest(self, caller, draft.model_copy(update={"credentials": None}), *rest, **named)
        return await self.update(pending, ConnectionChange.model_validate({"credentials": draft.credentials}))

    monkeypatch.setattr(Connections, "create", broken)
    return ADAPTER


@BUGS.caught_by(test_tokens.test_new_credentials_that_fail_replace_nothing)
def replaced_before_tried(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """New credentials take the place of the old ones, and are tried then."""
    honest = Connections._replaced

    async def broken(
        self: Connections,
        connection: StoredConnection,
        kind: CredentialKind,
        fields: Mapping[str, Secret],
        changing: Changing,
        deadline: float | None,
    ) -> StoredConnection:
        await self._storage.connections.replace_credentials(connection, lambda current: current, fields)
        await self._ended(connection.id)
        return await honest(self, connection, kind, fields, changing, deadline)

    monkeypatch.setattr(Connections, "_replaced", broken)
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_system_that_quotes_what_it_refuses_betrays_nothing, status=422)
def quoted_by_the_system(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The words of a system are passed on as they are."""
    for room in (upstream, calls):
        monkeypatch.setattr(room, "without_secrets", lambda reply, sent: reply)
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_refusal_without_end_is_told_by_its_beginning, status=422)
def cut_before_it_is_searched(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Secrets are looked for in what a long refusal is cut to."""
    for room in (upstream, calls):
        monkeypatch.setattr(room, "without_secrets", lambda reply, sent: without_secrets(abridged(reply), sent))
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_token_endpoint_that_quotes_what_it_refuses_betrays_nothing, status=400)
def quoted_by_the_token_endpoint(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The words of a token endpoint are passed on as they are."""
    monkeypatch.setattr(endpoints, "without_secrets", lambda reply, sent: reply)
    return ADAPTER


@BUGS.caught_by(test_tenants.test_a_bound_key_reaches_its_own_connections_only)
def bound_to_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A key that is bound to some connections reaches all of its tenant's."""
    monkeypatch.setattr(Caller, "reaches", lambda self, connection_id: True)
    return ADAPTER


@BUGS.caught_by(test_tenants.test_a_key_does_only_what_its_scopes_say)
def reading_is_writing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Who may read a resource may write it."""

    def broken(self: Caller, scope: str | None) -> bool:
        held = {one.partition(":")[0] for one in self.scopes}
        return scope is None or "*" in held or scope.partition(":")[0] in held

    monkeypatch.setattr(Caller, "may", broken)
    return ADAPTER


@BUGS.caught_by(test_tenants.test_nobody_comes_in_without_a_key)
def key_by_its_id(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A key is known by its id, and nobody compares the secret."""
    monkeypatch.setattr(keys, "hmac", SimpleNamespace(compare_digest=lambda one, other: True))
    return ADAPTER


@BUGS.caught_by(test_raw.test_the_answer_is_theirs_to_the_byte)
def answer_written_anew(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A raw answer is read and written anew."""
    honest = raw.handed_back

    def broken(request: Request, reply: Reply) -> Answer:
        return honest(request, replace(reply, body=dumps(loads(reply.body))))

    monkeypatch.setattr(raw, "handed_back", broken)
    return ADAPTER


@BUGS.caught_by(test_raw.test_a_request_goes_out_as_it_came)
def cookie_handed_on(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The caller's cookies go to the system."""
    monkeypatch.setattr(raw, "_HANDED_ON", ("content-type", "accept", "cookie"))
    return ADAPTER


@BUGS.caught_by(test_raw.test_a_raw_write_is_seen_by_the_very_next_read)
def raw_write_unnoticed(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A raw write leaves what was cached."""
    honest = Slots.end_here

    def broken(self: Slots, id: str, matters: Sequence[Matter]) -> dict[Matter, Ended]:
        return {} if matters == ("answers", "facts") else honest(self, id, matters)

    monkeypatch.setattr(Slots, "end_here", broken)
    return ADAPTER


@BUGS.caught_by(test_raw.test_a_lost_raw_write_leaves_its_fate_open)
def raw_write_repeated(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What has no JSON of ours in it is no write, and is simply sent again."""
    monkeypatch.setattr(Request, "is_write", property(lambda request: request.json is not None))
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_companies_are_listed_and_one_is_chosen)
def first_company_of_several(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Where credentials reach several companies and none is named, the first one is taken."""

    def broken(companies: Sequence[CompanyAccess], wanted: str | None) -> CompanyAccess:
        return chosen_company(companies, wanted or companies[0].id)

    monkeypatch.setattr(verification, "chosen_company", broken)
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_companies_do_not_see_each_other)
def company_of_the_first(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Every connection is to the company of the first one."""
    honest = memory.companies_path
    first: list[str] = []

    def broken(*segments: str) -> str:
        if not segments:
            return honest()
        first.append(segments[0])
        return honest(first[0], *segments[1:])

    monkeypatch.setattr(memory, "companies_path", broken)
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_the_provider_tells_how_to_connect)
def fields_by_their_titles(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The fields of credentials are told by their titles."""
    honest = CredentialFieldFacts
    monkeypatch.setattr(capabilities, "CredentialFieldFacts", lambda **told: honest(**{**told, "name": told["title"]}))
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_a_connection_without_credentials_waits_for_them)
def pending_is_used(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A connection without credentials is used like any other."""
    honest = Provider.kind_of

    def broken(self: Provider, connection: StoredConnection) -> CredentialKind:
        return honest(self, connection) if connection.credential_type else self.adapter.credentials[0]

    monkeypatch.setattr(perform, "permit_use", lambda connection: None)
    monkeypatch.setattr(Provider, "kind_of", broken)
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_an_unknown_setting_is_refused)
def any_setting(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A connection is set to whatever its caller names."""
    monkeypatch.setattr(connections, "merged_settings", lambda provider, before, given: {**before, **given})
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_deleted_connection_leaves_no_credentials)
def credentials_outlive(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A connection that is deleted is put away, with its credentials."""

    async def broken(self: SqlConnections, connection: StoredConnection) -> None:
        put_away = f"deleted:{connection.id}"
        async with self._database.writing() as transaction:
            await transaction.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            for table in ("credentials", "tokens", "intents", "links", "authorizations", "attempts"):
                move = f"UPDATE {table} SET connection_id = ? WHERE connection_id = ?"
                await transaction.exec_driver_sql(move, (put_away, connection.id))
            await transaction.exec_driver_sql("UPDATE connections SET id = ? WHERE id = ?", (put_away, connection.id))

    monkeypatch.setattr(SqlConnections, "destroy", broken)
    return ADAPTER
