"""The sample books: the same every time, in balance, and with everything in them that real books have."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from adapters.snelstart.emulator import Emulator, Switches
from tests.adapters.snelstart.emulated import provided
from tests.house import ManualClock


def populated(seed: int = 0, switches: Switches | None = None) -> Emulator:
    emulator = Emulator(ManualClock(), seed, switches or Switches())
    emulator.populate()
    return emulator


def test_they_are_the_same_every_time() -> None:
    first, again, other = populated(), populated(), populated(seed=1)
    assert first.books() == again.books()
    assert first.credentials() == again.credentials()
    assert first.books() != other.books()
    assert first.credentials() != other.credentials()


def test_they_are_lifelike() -> None:
    books = populated().books()
    kinds = Counter(kind for row in books["contacts"] for kind in row["relatiesoort"])
    assert 200 <= len(books["contacts"]) <= 220
    assert kinds["Klant"] > 150
    assert kinds["Leverancier"] > 30
    assert len(books["products"]) == 39
    invoices = books["invoices"]
    assert len([row for row in invoices if row["factuurbedrag"] > 0]) == 150
    assert len([row for row in invoices if row["factuurbedrag"] < 0]) == 10
    assert len({row["factuurnummer"] for row in invoices}) == len(invoices)
    shown = [row["verkoopfactuur"] for row in invoices]
    paid = [row for row in shown if row["openstaandSaldo"] == 0]
    part = [row for row in shown if 0 < row["openstaandSaldo"] < row["factuurBedrag"]]
    unpaid = [row for row in shown if row["openstaandSaldo"] == row["factuurBedrag"]]
    assert (len(paid) > 70, len(part) > 10, len(unpaid) > 30) == (True, True, True)
    dates = [row["factuurdatum"][:10] for row in invoices]
    assert min(dates) < "2025-09-01"
    assert max(dates) <= "2026-03-02"
    assert all(row["modifiedOn"] <= "2026-03-02T10:00:00" for row in shown)
    rows = {row["btwSoort"] for invoice in invoices for row in invoice["btw"]}
    assert rows == {"VerkopenHoog", "VerkopenLaag", "VerkopenVerlegd"}
    ledgers = {row["id"]: row["grootboekfunctie"] for row in books["ledger-accounts"]}
    functions = {ledgers[line["grootboek"]["id"]] for row in invoices for line in row["boekingsregels"]}
    foreign = {"VerkopenExportBinnenEU", "DienstverleningBinnenEU", "VerkopenExportBuitenEU"}
    assert foreign | {"InstallatieTeleverkoopBinnenEUgeen", "VerkopenBtwVrij"} <= functions


def test_they_balance() -> None:
    emulator = populated()
    lines = [line for entry in emulator.administration.mutations.values() for line in entry]
    assert sum(line["saldo"] for line in lines) == 0
    debtors = emulator.administration.account(1300)["id"]
    owed = sum(line["saldo"] for line in lines if line["grootboek"]["id"] == debtors)
    assert owed == sum(row["verkoopfactuur"]["openstaandSaldo"] for row in emulator.books()["invoices"])
    for row in emulator.books()["invoices"]:
        net = sum((line["bedrag"] for line in row["boekingsregels"]), Decimal(0))
        tax = sum((vat["btwBedrag"] for vat in row["btw"]), Decimal(0))
        assert net + tax == row["factuurbedrag"]


def test_they_keep_within_every_setting() -> None:
    for switches in (
        Switches(article_codes="Numeriek", article_code_length=3),
        Switches(address_needs_country=True, model_state_first=True, vat_tolerance=Decimal(0)),
        Switches(strip_nl_prefix=False, sub_cent="keep", payment_stamps_invoice="never"),
    ):
        assert len(populated(switches=switches).books()["invoices"]) == 160


def test_they_can_be_filled_in_any_season() -> None:
    for moment in (datetime(2026, 1, 1, 0, 30, tzinfo=UTC), datetime(2028, 2, 29, 23, 59, tzinfo=UTC)):
        emulator = Emulator(ManualClock(moment))
        emulator.populate()
        assert max(row["factuurdatum"] for row in emulator.books()["invoices"])[:4] <= str(moment.year)


def test_many_invoices_are_made_at_once_and_numbered_apart() -> None:
    emulator = Emulator(ManualClock())
    emulator.add_invoices(620)
    invoices = emulator.books()["invoices"]
    assert len({row["factuurnummer"] for row in invoices}) == 620
    emulator.add_invoices(5)
    assert len(emulator.books()["invoices"]) == 625


def test_books_are_copies() -> None:
    emulator = populated()
    emulator.books()["invoices"][0]["boekingsregels"].clear()
    assert emulator.books()["invoices"][0]["boekingsregels"]


async def test_books_tell_what_lists_tell() -> None:
    async with provided(populated=True) as provider:
        books = provider.emulator.books()
        listed = await provider.get("relaties", filter="Nonactief eq false and Relatiecode gt 1")
        assert listed == list(books["contacts"])
        assert await provider.get("verkoopfacturen") == [row["verkoopfactuur"] for row in books["invoices"]]
        assert await provider.get("btwtarieven") == list(books["vat-codes"])
        assert await provider.get("grootboeken") == list(books["ledger-accounts"])
        assert [row["soort"] for row in books["payment-methods"]] == ["Kas", "Bank", "Bank"]
        drawers = [*await provider.get("bankboekingen"), *await provider.get("kasboekingen")]
        assert list(books["payments"]) == drawers
