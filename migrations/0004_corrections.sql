-- Corrections are found by the entry they speak of: read models leave voided entries out, take others as amended, and
-- fold a key anew. Merges are found without reading the rest of the ledger.

CREATE UNIQUE INDEX entries_voided ON ledger.entries ((data ->> 'voided_position')) WHERE type = 'Entry.Voided';
COMMENT ON INDEX ledger.entries_voided IS 'Which entries were declared void, by which; an entry is voided once.';

CREATE INDEX entries_amended ON ledger.entries ((data ->> 'amended_position')) WHERE type = 'Entry.Amended';
COMMENT ON INDEX ledger.entries_amended IS 'Which entries were amended, by which.';

CREATE INDEX entries_merging ON ledger.entries (position) WHERE type IN ('Customer.Merged', 'Customer.Unmerged');
COMMENT ON INDEX ledger.entries_merging IS 'Which customers were found to be one, and that they are not.';
