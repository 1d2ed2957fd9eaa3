"""A provider's records as its adapter reads them: what is known of them is checked, the rest is left alone."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from gateway.contract.errors import malformed

LARGEST_EXPONENT = 30
"""No amount of a real administration is written with more digits before or after the point."""


def number_of(value: object) -> Decimal:
    """A number, or a text that spells one, exactly. Raises ``ValueError`` for anything that is no amount."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("not a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise ValueError("not an amount")
    return number


def zero_if_none(value: object) -> Decimal:
    """A number; zero for null."""
    return Decimal(0) if value is None else number_of(value)


Number = Annotated[Decimal, BeforeValidator(number_of)]
NumberOrZero = Annotated[Decimal, BeforeValidator(zero_if_none)]


class Wire(BaseModel):
    """A record as a system writes it. Each adapter names its ``system`` in a subclass, and builds on that."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    system: ClassVar[str]

    @classmethod
    def of(cls, raw: object) -> Self:
        """Read one. Raises ``upstream_malformed`` for a shape that is not documented, naming places and no values."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the record"
            name = cls.__name__.removesuffix("Row").lower()
            raise malformed(f"{cls.system}'s {name} makes no sense at {where}: {first['msg']}.") from error
