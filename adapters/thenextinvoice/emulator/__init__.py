"""TheNextInvoice in memory: the vendor's API v1 to build and test against, without an account.

``Emulator`` serves ``/api/v1/…`` as the vendor's public documentation describes it, and is as difficult as that
documentation allows. It is an ASGI application: put it under an in-process transport, or on a loopback port::

    emulator = Emulator(clock, seed=7, switches=Switches(vat_rounding="per_line"))
    emulator.populate()
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=emulator), base_url="https://api.thenextinvoice.com")
    await client.get("/api/v1/customer/search", headers={"X-Api-Token": emulator.credentials()["api_token"]})

What it is
----------
- **Envelope**: every JSON answer is ``{success, data}`` or ``{success, error: {code, message}}``; files (PDF, ZIP, CSV,
  UBL, pain.008, attachments) are bare.
- **Who asks**: ``credentials()`` is the API token of the first company; ``password_credentials()`` a log-in that
  reaches the first and the second; a third company is somebody else's. JWTs live ``token_lifetime`` by the injected
  clock.
- **Strict**: unknown fields, unknown query parameters, wrong types, missing required fields, a body where none is taken
  and JSON that is not declared as such are 400. Anything undocumented, a method included, is 404.
- **Forgetful**: ``PUT /customer`` resets what it is not given; ``PUT /invoice`` hands out a new id.
- **Dangerous**: ``DELETE /invoice/1,2,3`` deletes three invoices, finalized ones too.
- **Unordered**: invoices come shuffled unless ``order`` is asked for, and ties come shuffled even then.
- **Exact**: amounts are ``Decimal`` from wire to wire. ``arithmetic.totals_of`` states the rounding rule.
- **Without ``populate()``** each company is as on its first day: VAT codes, ledgers, payment methods, a default profile
  and templates; no customers, products or invoices.
- Whatever the documentation leaves open is a field of ``Switches``, whose docstring lists them all.
- Faults (5xx, HTML, lost answers, …) come from the base class; ``rate_limit`` answers 429 with ``Retry-After``.

Guesses that are not switches
-----------------------------
Times and "today" are in UTC. All four fields of ``meta`` and all five of a line are required. An automatic collection
(``type`` "I") is listed under ``type=invoice`` and ``type=sepa``. A number, once used, stays used. A payment on a
credited invoice is refused (400); one on a credit invoice is taken. Undocumented answers (duplicates, Peppol
verification, SEPA batches, the columns of the CSV) have a plausible shape that no client should lean on.

Not emulated (404): managing users, two-factor enrolment, address verification by post, connecting integrations, and
making quotations or recurring invoices, for which nothing is documented; reading each of these is emulated.

Modules
-------
``wire`` (request, answer, refusal), ``fields`` (strict bodies), ``paging``, ``session`` (who asks), ``state`` (what is
known), ``opening`` (a company's first day), ``arithmetic``, ``customers``, ``products``, ``invoicing`` (the life of an
invoice), ``invoices``, ``invoice_search``, ``invoice_actions``, ``documents``, ``ubl``, ``settings``, ``profiles``,
``correspondence``, ``office``, ``sample_books`` (populate), ``emulator`` (the application).
"""

from adapters.thenextinvoice.emulator.emulator import Emulator
from adapters.thenextinvoice.emulator.switches import Switches

__all__ = ["Emulator", "Switches"]
