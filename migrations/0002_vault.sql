-- The vault: each subject's own key, wrapped by the master key. Destroying a key forgets the person.

CREATE SCHEMA vault;

CREATE TABLE vault.keys (
    subject_id uuid PRIMARY KEY,
    wrapped bytea,
    master_key_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
COMMENT ON TABLE vault.keys IS 'One key for each person, wrapped by the master key; null once destroyed.';

GRANT USAGE ON SCHEMA vault TO daybook_api, daybook_importer;
GRANT SELECT, INSERT ON vault.keys TO daybook_api, daybook_importer;
