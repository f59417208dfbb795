"""What an archive opens is what the tables were sealed with."""

from core.rights.export_files import FILES
from core.sealed_columns import SEALED


def test_every_column_of_an_archive_is_opened_with_a_purpose_of_its_table() -> None:
    of_table: dict[str, set[str]] = {}
    for column in SEALED:
        of_table.setdefault(column.table, set()).add(column.purpose)
    opened = {
        (file.table, sealed.purpose) for file in FILES for sealed in (file.sealed or {}).values()
    }

    assert ("invitation", "invitation-email") in opened
    for table, purpose in opened:
        # Members are told with the address of the person, which is in another table.
        tables = {table, "app_user"} if table == "membership" else {table}
        assert any(purpose in of_table.get(each, set()) for each in tables), (table, purpose)
