"""The query options of a list that knows OData: $filter, $select, $skip and $top (dossier 2.2)."""

from collections.abc import Iterable, Mapping, Sequence

from adapters.snelstart.emulator import errors, odata
from adapters.snelstart.emulator.fields import Model, Record, pascal
from adapters.snelstart.emulator.switches import Switches

_KNOWN = frozenset({"$filter", "$select", "$skip", "$top", "$orderby", "$inlinecount"})
_UNSUPPORTED = {
    "$expand": "The query option '$expand' is not supported.",
    "$count": "The query parameter '$count' is not supported.",
}
DEFAULT_TOP = 500


def options(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The options of a query string, each once. Raises ``Refused`` for one that is repeated or unknown."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if not name.startswith("$"):
            continue
        if name in found:
            raise errors.odata(f"The query parameter '{name}' is given more than once.")
        if name not in _KNOWN:
            raise errors.odata(_UNSUPPORTED.get(name, f"The query parameter '{name}' is not supported."))
        found[name] = value
    return found


def page_of(
    records: Sequence[Record], model: Model, given: Mapping[str, str], switches: Switches, *, most: int, default: int
) -> list[Record]:
    """The page of the records that was asked for. Raises ``Refused``.

    ``most`` is the highest $top, and ``default`` the one of a query without it.
    """
    if switches.orderby == "refused" and ("$orderby" in given or "$inlinecount" in given):
        raise errors.odata("The query specified in the URI is not valid. Query option 'OrderBy' is not allowed.")
    top = _count(given, "$top", default)
    skip = _count(given, "$skip", 0)
    if "$top" in given and top > most:
        raise errors.odata(
            f"The limit of '{most}' for Top query has been exceeded. The value from the incoming request is '{top}'."
        )
    rows = _ordered(_filtered(records, model, given, switches), switches)
    page = rows[skip : skip + top]
    return _selected(page, model, given["$select"], switches) if "$select" in given else page


def _count(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) > 2**31 - 1:
        raise errors.odata(
            f"Invalid value '{text}' for {name} query option found. It needs to be a non-negative integer."
        )
    return int(text)


def _filtered(records: Sequence[Record], model: Model, given: Mapping[str, str], switches: Switches) -> list[Record]:
    if "$filter" not in given:
        return list(records)
    try:
        wanted = odata.parse(given["$filter"], model, ignore_case=switches.filter_ignores_case)
    except odata.BadFilter as error:
        if switches.filter_refusal == "code":
            raise errors.rules_broken(["ALG-0104"]) from error
        raise errors.odata(str(error)) from error
    return [record for record in records if wanted(record)]


def _ordered(rows: list[Record], switches: Switches) -> list[Record]:
    if switches.order == "by_id":
        return sorted(rows, key=lambda row: str(row.get("id")))
    return rows


def _selected(rows: list[Record], model: Model, text: str, switches: Switches) -> list[Record]:
    names = {pascal(name): name for name in model.properties}
    wanted = [part.strip() for part in text.split(",")]
    for name in wanted:
        if name not in names:
            raise errors.odata(f"Could not find a property named '{name}' on type '{model.type_name}'.")
    spelt = {name: name if switches.select_casing == "pascal" else names[name] for name in wanted}
    return [{spelt[name]: row[names[name]] for name in wanted} for row in rows]
