"""What the laws must know of TheNextInvoice: a draft gets another id when it is changed, and a log-in buys tokens."""

from operator import methodcaller

from tests.conformance.subjects import Facts

FACTS = Facts(moving=frozenset({"id"}), exchange=methodcaller("password_credentials"))
