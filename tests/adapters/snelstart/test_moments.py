"""Days and moments: read as they are meant, and asked for without leaving out what may be meant."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.snelstart.emulator import Switches, moments
from adapters.snelstart.mapping import values
from gateway.contract.models import instant_text
from tests.adapters.snelstart.connected import Books, connected

OVERLAP = timedelta(hours=2)
"""How much earlier than asked for a record may have been changed (dossier 2.3)."""


def test_moments_are_dutch_wall_clock_time() -> None:
    assert values.in_utc(datetime(2026, 8, 16, 9, 12, 44)) == datetime(2026, 8, 16, 7, 12, 44, tzinfo=UTC)
    assert values.in_utc(datetime(2026, 1, 16, 9, 0)) == datetime(2026, 1, 16, 8, 0, tzinfo=UTC)


def test_a_moment_that_says_its_zone_is_not_taken_as_dutch() -> None:
    nine = datetime(2026, 8, 16, 9, 12, 44, tzinfo=UTC)
    for text in ("2026-08-16T09:12:44Z", "2026-08-16T11:12:44.103+02:00", "2026-08-16T11:12:44"):
        assert values.moment_of(text) == nine
        assert values.day_of(text).isoformat() == "2026-08-16"


@given(st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)))
def test_a_moment_survives_there_and_back(bare: datetime) -> None:
    moment = bare.replace(tzinfo=UTC, microsecond=0)
    back = values.in_utc(moments.wall_clock(moment, "Europe/Amsterdam"))
    assert back == moment or (moment.month == 10 and back < moment), "only the hour that comes twice is told earlier"


async def names(books: Books, resource: str, since: str) -> set[str]:
    found = await books.ask("GET", resource, updated_since=since)
    return {one["name"] for one in found["data"]}


async def make(books: Books, resource: str, name: str) -> None:
    if resource == "contacts":
        await books.contact(company_name=name)
    else:
        await books.make("products", {"name": name, "price": "1.00", "vat_code_id": "hoog-2012-10-01"})


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC"])
@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 29, 0, 59, tzinfo=UTC),
        datetime(2026, 7, 1, 9, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 59, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 10, tzinfo=UTC),
    ],
    ids=["before the clock goes on", "summer", "before the clock goes back", "the hour that comes twice"],
)
@pytest.mark.parametrize("resource", ["contacts", "products"])
async def test_updated_since_leaves_nothing_out(
    resource: str, moment: datetime, zone: Literal["Europe/Amsterdam", "UTC"], tmp_path: Path
) -> None:
    """Not by the clock of who asks, nor by what he was told; and it gives no more than two hours too much."""
    async with connected(tmp_path, Switches(modified_on_zone=zone)) as books:
        books.house.clock.turn_to(moment - OVERLAP - timedelta(minutes=20))
        await make(books, resource, "long ago")
        books.house.clock.turn_to(moment - timedelta(minutes=30))
        await make(books, resource, "before")
        (told,) = [one for one in (await books.ask("GET", resource))["data"] if one["name"] == "before"]
        books.house.clock.turn_to(moment)
        await make(books, resource, "after")
        for since in (instant_text(moment - timedelta(minutes=15)), instant_text(moment), told["updated_at"]):
            assert "after" in await names(books, resource, since)
        assert "long ago" not in await names(books, resource, instant_text(moment))


# --- the ends of time


@pytest.mark.parametrize(
    ("resource", "first", "last"),
    [
        ("invoices", "issued_from", "issued_to"),
        ("invoices", "due_from", "due_to"),
        ("payments", "paid_from", "paid_to"),
    ],
)
async def test_a_bound_may_be_any_day(resource: str, first: str, last: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        invoice, undue = await books.invoice(contact["id"]), await books.invoice(contact["id"])
        payment = await books.pay(invoice, "1.00")
        administration = books.emulator.administration
        administration.records["verkoopfacturen"][administration.invoice_of[undue["id"]]]["vervalDatum"] = None
        everything = {"payments": {payment["id"]}, "invoices": {invoice["id"], undue["id"]}}[resource]
        everything -= {undue["id"]} if first == "due_from" else set()
        for where, expected in (
            ({last: "9999-12-31"}, everything),
            ({first: "0001-01-01"}, everything),
            ({first: "0001-01-01", last: "9999-12-31"}, everything),
            ({first: "9999-12-31"}, set()),
            ({last: "0001-01-01"}, set()),
        ):
            found = (await books.ask("GET", resource, where=where))["data"]
            assert {one["id"] for one in found} == expected, where


@pytest.mark.parametrize("resource", ["contacts", "products"])
async def test_updated_since_may_be_any_moment(resource: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await make(books, resource, "new")
        for since in ("0001-01-01T00:00:00Z", "0999-12-31T23:59:59Z"):
            assert await names(books, resource, since) == {"new"}
        assert await names(books, resource, "9999-12-31T23:59:59Z") == set()


@pytest.mark.parametrize("unfilled", ["0001-01-01T00:00:00", "0001-01-01T00:00:00.000"])
async def test_a_moment_that_was_never_filled_in_is_none(unfilled: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        invoice = await books.invoice((await books.contact())["id"])
        await make(books, "products", "Meel")
        records = books.emulator.administration.records
        for name in ("relaties", "artikelen", "verkoopfacturen"):
            for row in records[name].values():
                row["modifiedOn"] = unfilled
        records["verkoopfacturen"][books.emulator.administration.invoice_of[invoice["id"]]]["vervalDatum"] = unfilled
        for resource in ("contacts", "products", "invoices"):
            (one,) = (await books.ask("GET", resource))["data"]
            assert one["updated_at"] is None
            assert (await books.ask("GET", f"{resource}/{one['id']}"))["updated_at"] is None
        assert (await books.read(invoice))["due_on"] is None
        assert (await books.read(invoice))["is_overdue"] is False
