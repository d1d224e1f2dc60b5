-- Corrections are found by the entry they speak of: read models leave voided entries out, and fold a key anew.

CREATE UNIQUE INDEX entries_voided ON ledger.entries ((data ->> 'voided_position')) WHERE type = 'Entry.Voided';
COMMENT ON INDEX ledger.entries_voided IS 'Which entries were declared void, by which; an entry is voided once.';
