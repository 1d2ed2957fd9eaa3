"""Records on their way out: the same bytes as the checked models give, or a refusal."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from gateway.contract.exact import loads
from gateway.contract.models import Contact, Invoice, Payment, Product, VatCode
from gateway.contract.models.base import RecordPart, Resource
from gateway.contract.money import AmountText, NumberText, amount_text, number_text
from gateway.contract.operations import OPERATIONS
from gateway.contract.records import model_of, record_json, records_json

RECORDS: list[type[RecordPart]] = sorted(
    {one.answers for one in OPERATIONS if one.answers is not None and issubclass(one.answers, RecordPart)},
    key=lambda record: record.__name__,
)
CODE = VatCode(id="1", name="High", rate=NumberText("21"), category="S", treatment="domestic_high", direction="sale")

DECIMALS = st.decimals(-(10**15) + 1, 10**15 - 1, places=2) | st.decimals(-(10**6), 10**6, places=12)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type: such as an adapter makes of a reply, sense and nonsense."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return values_of(args[0])
    if origin in (Union, UnionType):
        return st.one_of(*map(values_of, args))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(values_of(args[0]), max_size=3)
    if isinstance(hint, type) and issubclass(hint, RecordPart):
        return records_of(hint)
    return {
        AmountText: st.builds(amount_text, DECIMALS),
        NumberText: st.builds(number_text, DECIMALS),
        datetime: MOMENTS,
        date: st.dates(),
        NoneType: st.none(),
        bool: st.booleans(),
        int: st.integers(0, 3650),
        str: st.text(max_size=8),
    }[hint]


def records_of(record: type[RecordPart]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(record, include_extras=True)
    return st.builds(record, **{name: values_of(hints[name]) for name in record.__struct_fields__})


def checked_json(record: RecordPart) -> bytes | None:
    """What pydantic makes of a record; None where it refuses it."""
    model = model_of(type(record))
    try:
        return model.model_validate(_plain(record)).model_dump_json().encode()
    except ValidationError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, RecordPart):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return [_plain(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_goes_out_as_the_checked_model_has_it_or_not_at_all(record: type[RecordPart]) -> None:
    @given(records_of(record))
    def compare(made: RecordPart) -> None:
        expected = checked_json(made)
        try:
            told = record_json(deepcopy(made))
        except ValueError:
            told = None
        assert told == expected

    compare()


def test_a_page_is_its_records_one_by_one() -> None:
    records = [replace(CODE, id=str(number), rate=number_text(Decimal(number))) for number in range(3)]
    one_by_one = [loads(record_json(deepcopy(one))) for one in records]
    assert loads(records_json(records)) == one_by_one


@pytest.mark.parametrize("id", ["", "a/b", "..", "a b", "x" * 101])
def test_what_is_no_id_does_not_go_out(id: str) -> None:
    with pytest.raises(ValueError, match="an id"):
        record_json(replace(CODE, id=id))


def test_a_moment_is_told_to_the_second() -> None:
    contact = Contact(id="1", kind="person", roles=["customer"], name="J", archived=False)
    summer = timezone(timedelta(hours=2))
    contact.created_at = datetime(2026, 3, 2, 9, 0, 0, 999_999, tzinfo=UTC)
    contact.updated_at = datetime(2026, 7, 2, 9, 0, tzinfo=summer).astimezone(UTC)
    said = loads(record_json(contact))
    assert (said["created_at"], said["updated_at"]) == ("2026-03-02T09:00:00Z", "2026-07-02T07:00:00Z")
    assert {"email", "address"} <= said.keys()
    assert not {"provider", "raw"} & said.keys()


@pytest.mark.parametrize("record", [Contact, Invoice, Payment, Product])
def test_what_refers_to_other_records_is_a_field_there_is(record: type[Resource]) -> None:
    for dotted in record.referred:
        found: type[RecordPart] = record
        *way, last = dotted.split(".")
        for step in way:
            found = _inner(get_type_hints(found)[step])
        assert last in found.__struct_fields__


def _inner(hint: Any) -> type[RecordPart]:
    """The struct inside ``X | None`` and ``list[X] | None``."""
    if isinstance(hint, type):
        return hint
    return next(_inner(part) for part in get_args(hint) if part is not NoneType)
