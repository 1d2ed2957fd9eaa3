"""What a company has on its first day: VAT codes, ledgers, payment methods, a profile and settings."""

from decimal import Decimal

from adapters.thenextinvoice.emulator.state import Company, Row, Service, VatCode

VAT_CODES = (
    ("Geen BTW", "", "1", "none"),
    ("9% BTW", "VL", "1.09", "low"),
    ("21% BTW", "VH", "1.21", "high"),
    ("Vrijgesteld van BTW", "VV", "1", "exempt"),
    ("BTW verlegd, diensten binnen de EU", "ICPD", "1", "ICPS"),
    ("BTW verlegd, goederen binnen de EU", "ICPG", "1", "ICPG"),
    ("Export buiten de EU", "EX", "1", "EBU"),
    ("6% BTW", "VL6", "1.06", None),
)
LEDGERS = (
    ("Debiteuren", "1300", ""),
    ("Omzet hoog tarief", "8000", ""),
    ("Omzet laag tarief", "8010", ""),
    ("Omzet onbelast", "8020", ""),
    ("Verzendkosten", "8100", "KPL0001"),
    ("Kortingen en afronding", "8900", ""),
    ("Managementvergoeding", "4010", ""),
)
PAYMENT_METHODS = ("Bankoverschrijving", "iDEAL", "Contant")


def open_company(service: Service, name: str, address: str, postalcode: str, city: str, coc: str) -> Company:
    """A company as it is on its first day."""
    company = Company(
        id=service.next_id("company"),
        name=name,
        address=address,
        postalcode=postalcode,
        city=city,
        coc=coc,
        next_number=f"{service.clock.now().year}00001",
    )
    for vat_name, code, factor, kind in VAT_CODES:
        vat = VatCode(service.next_id("vat"), vat_name, code, Decimal(factor), kind)
        company.vat_codes[vat.id] = vat
    for ledger_name, number, costcenter in LEDGERS:
        row = {"name": ledger_name, "ledgernumber": number, "costcenter": costcenter}
        service.keep(company.ledgers, "ledger", row)
    for method_name in PAYMENT_METHODS:
        service.keep(company.payment_methods, "method", {"name": method_name})
    new_profile(service, company)["default"] = True
    company.sepa = {"creditor_name": name, "iban": "NL91ABNA0417164300", "creditor_identifier": "NL98ZZZ999999990000"}
    company.payment_page = {
        "message": "Voldoe a.u.b. factuur {factuurnummer}.",
        "success_message": "Bedankt voor uw betaling.",
    }
    text = "<p>Beste {bedrijfsnaam},</p><p>Bijgaand factuur {factuurnummer}.</p>"
    mail = {"subject": "Factuur {factuurnummer}", "name": "Standaard", "text": text}
    service.keep(company.email_texts, "email_text", mail)
    sender = {"type": "from", "email": "administratie@example.com", "verified": True}
    service.keep(company.email_addresses, "email_address", sender)
    service.keep(company.sms_texts, "sms_text", {"name": "Herinnering", "text": "Betaal via {betaallink}"})
    service.companies[company.id] = company
    return company


def new_profile(service: Service, company: Company) -> Row:
    """A further profile of the company, filled with defaults, not the default one."""
    profile: Row = {
        "name": company.name,
        "default": False,
        "logo": None,
        "language": "nl",
        "expiration": 14,
        "companyName": company.name,
        "address": company.address,
        "postalCode": company.postalcode,
        "city": company.city,
        "country": company.country,
        "vatNumber": "NL857494454B01",
        "email": "administratie@example.com",
        "contact": None,
        "coc": company.coc,
        "iban": "NL91ABNA0417164300",
        "phone": None,
        "extra": None,
        "config": {},
        "extratext": "",
        "extratextbottom": "",
        "footer": "Gelieve het bedrag voor {vervaldatum} te voldoen onder vermelding van {factuurnummer}.",
        "quotationextratext": "",
        "quotationextratextbottom": "",
        "quotationfooter": "",
        "logo_position": "left",
        "margin_global": 15,
        "margin_header": 40,
        "sender_position": "right",
        "merge_mail_attachments": False,
        "email_from_id": None,
        "email_cc_id": None,
        "email_text_id": None,
        "email_text_reminder_id": None,
        "email_text_quotation_id": None,
        "sms_text_id": None,
        "email_attachment_id": None,
        "email_attachment_quotation_id": None,
        "peppol_verified": False,
    }
    return service.keep(company.profiles, "profile", profile)
