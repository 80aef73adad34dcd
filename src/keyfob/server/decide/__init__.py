"""What the server decides: record, request and `now` in, new record and answer out. No database in sight."""
