"""The chart of accounts of a fresh company, as (path, reference, name); a name inherits its parents' in ``path_name``.

Accounts are made in this order, so that a list by descending row begins with the helper accounts, as recorded. A type
follows from the first part of the path; payment accounts are the ones a payment can be booked on. Names carry HTML
entities where the vendor's do (dossier §4, "account").
"""

from collections.abc import Iterator

from adapters.rompslomp.emulator.records import Account, Table

BANK = "activa.current_assets.liquid_assets.bank"
CASH = "activa.current_assets.liquid_assets.cash"
CLEARING = "activa.current_assets.liquid_assets.cross_entries"
PAYMENT_PATHS = (BANK, CASH, CLEARING, "activa.current_assets.liquid_assets.savings")

_BALANCE = (
    ("activa", "B1", "Activa"),
    ("activa.fixed_assets", "B1.1", "Vaste activa"),
    ("activa.fixed_assets.inventory", "B1.1.1", "Inventaris"),
    ("activa.fixed_assets.computers", "B1.1.2", "Computers"),
    ("activa.fixed_assets.vehicles", "B1.1.3", "Vervoermiddelen"),
    ("activa.current_assets", "B1.2", "Vlottende activa"),
    ("activa.current_assets.stock", "B1.2.1", "Voorraad"),
    ("activa.current_assets.debtors", "B1.2.2", "Debiteuren"),
    ("activa.current_assets.vat_to_claim", "B1.2.3", "Btw te vorderen"),
    ("activa.current_assets.liquid_assets", "B1.2.4", "Liquide middelen"),
    (BANK, "B1.2.4.1", "Bank"),
    (CASH, "B1.2.4.2", "Kas"),
    (CLEARING, "B1.2.4.3", "Kruisposten"),
    ("activa.current_assets.liquid_assets.savings", "B1.2.4.4", "Spaarrekening"),
    ("passiva", "B2", "Passiva"),
    ("passiva.equity", "B2.1", "Eigen vermogen"),
    ("passiva.equity.capital", "B2.1.1", "Kapitaal"),
    ("passiva.equity.private_withdrawals", "B2.1.2", "Privéopnamen"),
    ("passiva.equity.private_deposits", "B2.1.3", "Privéstortingen"),
    ("passiva.long_term_debts", "B2.2", "Langlopende schulden"),
    ("passiva.long_term_debts.loans", "B2.2.1", "Leningen"),
    ("passiva.short_term_debts", "B2.3", "Kortlopende schulden"),
    ("passiva.short_term_debts.creditors", "B2.3.1", "Crediteuren"),
    ("passiva.short_term_debts.vat_to_pay", "B2.3.2", "Btw af te dragen"),
    ("passiva.short_term_debts.income_tax", "B2.3.3", "Te betalen belastingen"),
)
_PROFIT = (
    ("profit", "P", "Resultaat"),
    ("profit.costs", "P1", "Kosten"),
    ("profit.costs.personnel", "P1.1", "Personeelskosten"),
    ("profit.costs.personnel.wages", "P1.1.1", "Lonen"),
    ("profit.costs.personnel.travel", "P1.1.2", "Reiskosten personeel"),
    ("profit.costs.housing", "P1.2", "Huisvestingskosten"),
    ("profit.costs.housing.rent", "P1.2.1", "Huur"),
    ("profit.costs.housing.energy", "P1.2.2", "Gas, water &amp; elektra"),
    ("profit.costs.transport", "P1.3", "Vervoerskosten"),
    ("profit.costs.transport.fuel", "P1.3.1", "Brandstof"),
    ("profit.costs.transport.lease", "P1.3.2", "Leasekosten"),
    ("profit.costs.transport.public", "P1.3.3", "Openbaar vervoer"),
    ("profit.costs.selling", "P1.4", "Verkoopkosten"),
    ("profit.costs.selling.advertising", "P1.4.1", "Reclamemateriaal"),
    ("profit.costs.selling.representation", "P1.4.2", "Representatie"),
    ("profit.costs.selling.promotional_gifts", "P1.4.3", "Relatiegeschenken"),
    ("profit.costs.other_costs", "P1.5", "Overige kosten"),
    ("profit.costs.other_costs.phone_internet", "P1.5.1", "Telefoon &amp; internet"),
    ("profit.costs.other_costs.administration", "P1.5.2", "Administratiekosten"),
    ("profit.costs.other_costs.literature", "P1.5.3", "Vakliteratuur"),
    ("profit.costs.other_costs.education", "P1.5.4", "Opleiding"),
    ("profit.costs.other_costs.subscriptions", "P1.5.5", "Abonnementen"),
    ("profit.costs.other_costs.office_materials", "P1.5.6", "Kantoorartikelen"),
    ("profit.costs.other_costs.work_clothes", "P1.5.7", "Werkkleding"),
    ("profit.costs.other_costs.misc", "P1.5.8", "Diversen"),
    ("profit.costs.depreciations", "P1.6", "Afschrijvingen"),
    ("profit.costs.purchased_stock", "P1.7", "Inkoop voorraad"),
    ("profit.costs.third_parties_work", "P1.8", "Werk door derden"),
    ("profit.costs.interest_costs", "P1.9", "Rente"),
    ("profit.costs.payment_differences", "P1.10", "Betalingsverschillen"),
    ("profit.revenue", "P2", "Omzet"),
    ("profit.revenue.other", "P2.1", "Overig"),
    ("profit.revenue.payment_differences", "P2.2", "Betalingsverschillen"),
    ("profit.revenue.producten_custom", "P2.3", "Producten"),
    ("profit.revenue.diensten_custom", "P2.4", "Diensten &amp; advies"),
    ("profit.revenue.verzendkosten_custom", "P2.5", "Verzendkosten"),
    ("profit.revenue.afrondingsverschillen_custom", "P2.6", "Afrondingsverschillen"),
)
_HELPERS = (
    ("vat_to_pay_revenue", "H1", "Hulp (Bedrag waarover omzetbelasting wordt berekend): btw af te dragen"),
    (
        "vat_to_pay_revenue_reverse_charged_in_eu",
        "H2",
        "Hulp (Bedrag waarover omzetbelasting wordt berekend): Leveringen / diensten naar landen in de EU",
    ),
    ("vat_to_pay_revenue_outside_eu", "H3", "Hulprekening: btw buiten EU"),
)
_HELPER_LEAVES = (
    ("vat_high", "Btw hoog"),
    ("vat_low_new", "Btw laag"),
    ("vat_zero", "Btw 0%"),
    ("vat_none", "Btw vrijgesteld"),
    ("vat_reverse_charged", "Btw verlegd"),
)
_LONE_HELPERS = (
    ("vat_reverse_charged_revenue", "H4", "btw verlegd"),
    ("vat_reverse_charged_revenue_in_eu", "H5", "btw verlegd vanuit de EU"),
    ("vat_reverse_charged_revenue_outside_eu", "H6", "btw verlegd van buiten de EU"),
)


def open_accounts(accounts: Table[Account]) -> None:
    """Make the chart of a fresh company."""
    by_path: dict[str, Account] = {}
    for path, reference, name in _rows():
        parent = by_path.get(path.rpartition(".")[0])
        # "profit" itself never shows in a path name: the recorded "Omzet" is its child.
        shown = parent.path_name if parent and parent.path != "profit" else None
        by_path[path] = accounts.add(
            Account(
                name=name,
                path=path,
                path_name=f"{shown} • {name}" if shown else name,
                reference=reference,
                type=_type(path),
                parent_id=parent.id if parent else None,
                is_payment=path in PAYMENT_PATHS,
            )
        )


def _rows() -> Iterator[tuple[str, str, str]]:
    yield from _BALANCE
    yield from _PROFIT
    for path, reference, name in _HELPERS:
        yield path, reference, name
        for number, (leaf, leaf_name) in enumerate(_HELPER_LEAVES, start=1):
            yield f"{path}.{leaf}", f"{reference}.{number}", leaf_name
    for path, reference, name in _LONE_HELPERS:
        yield path, reference, f"Hulp (Bedrag waarover omzetbelasting wordt berekend): {name}"


def _type(path: str) -> str | None:
    if path.startswith(("activa", "passiva")):
        return "balance"
    if path.startswith("profit.costs"):
        return "costs"
    return "revenue" if path.startswith("profit.revenue") else None
