"""A write that was done, and whose record could not be read back: it is done once, and nothing of it is lost."""

from pathlib import Path

import pytest

from gateway.contract.emulator import Fault
from tests.adapters.thenextinvoice.opened import DOWN, MISSING, opened

HTML = Fault("html")


# Creating


@pytest.mark.parametrize("times", [1, 2, 40])
async def test_an_invoice_that_is_not_to_be_found_at_once_is_made_once(tmp_path: Path, times: int) -> None:
    async with opened(tmp_path) as gateway:
        draft = await gateway.draft(finalize=True)
        gateway.fail_after("POST", MISSING, times=times)
        status, told = await gateway.ask("POST", "invoices", draft, key="k-1")
        assert status == (201 if times < 40 else 502), told
        if status == 502:
            assert (told["code"], told["outcome"], told["state"]) == ("upstream_malformed", "applied", "unknown")
            gateway.emulator.heal()
            await gateway.later()
        (booked,) = gateway.written()
        fate = await gateway.done("GET", "operations/k-1")
        assert (fate["state"], fate["record_id"]) == ("applied", str(booked["id"]))
        again = await gateway.done("POST", "invoices", draft, key="k-1")
        assert again["id"] == str(booked["id"])
        assert len(gateway.written()) == 1


async def test_an_invoice_that_is_gone_before_anybody_saw_it_gives_its_reference_back(tmp_path: Path) -> None:
    """Its token answers an id that is not there: nothing is made in its place, save what is asked for anew."""
    async with opened(tmp_path) as gateway:
        draft = await gateway.draft(external_ref="order-1")
        gateway.fail_after("POST", DOWN, times=200)
        status, told = await gateway.ask("POST", "invoices", draft, key="k-1")
        assert (status, told["outcome"]) == (503, "applied")
        gateway.emulator.company.invoices.clear()
        gateway.emulator.heal()
        await gateway.later()
        assert gateway.written() == []
        assert (await gateway.done("GET", "operations/k-1"))["state"] == "applied"
        made = await gateway.done("POST", "invoices", draft, key="k-2")
        assert [str(row["id"]) for row in gateway.written()] == [made["id"]]
        listed = await gateway.done("GET", "invoices", external_ref="order-1")
        assert [one["id"] for one in listed["data"]] == [made["id"]]


# Changing: every write gives a draft another id


@pytest.mark.parametrize("ending", ["PATCH", "finalize"])
@pytest.mark.parametrize(
    ("fault", "times"), [(MISSING, 1), (HTML, 1), (MISSING, 200), (DOWN, 200)], ids=["404", "html", "404s", "503s"]
)
async def test_a_changed_draft_is_never_lost(tmp_path: Path, ending: str, fault: Fault, times: int) -> None:
    async with opened(tmp_path) as gateway:
        draft = await gateway.invoice(external_ref="order-1")
        path = f"invoices/{draft['id']}"
        await gateway.done("PATCH", path, {"notes": "Bel eerst"})
        finalizes = ending == "finalize"
        write = ("POST", f"{path}/finalize", None) if finalizes else ("PATCH", path, {"notes": "Achterom"})
        gateway.fail_after("POST" if finalizes else "PUT", fault, times=times)
        status, told = await gateway.ask(*write, key="k-1")
        assert (status, told.get("id")) == (200, draft["id"]) if times == 1 else told["outcome"] == "applied", told
        gateway.emulator.heal()
        await gateway.later()

        assert (await gateway.done("GET", "operations/k-1"))["state"] == "applied"
        (booked,) = gateway.written()
        assert (str(booked["id"]) != draft["id"], booked["status"]) == (True, int(finalizes))
        now = await gateway.done("GET", path)
        assert (now["id"], now["external_ref"], now["contact_id"]) == (draft["id"], "order-1", draft["contact_id"])
        assert now["document_status"] == ("final" if finalizes else "draft")
        assert now["notes"] == ("Bel eerst" if finalizes else "Achterom")
        everything = await gateway.done("GET", "invoices")
        for listed in (everything, await gateway.done("GET", "invoices", external_ref="order-1")):
            assert [(one["id"], one["external_ref"]) for one in listed["data"]] == [(draft["id"], "order-1")]
        if not finalizes:
            assert (await gateway.done("POST", f"{path}/finalize"))["id"] == draft["id"]
