-- Erasure: a person's keys are destroyed by the entry that says so, and by nothing else.

-- Destroys the keys that the entry at a position names, which must say that a customer was erased; to be called in the
-- transaction that enters it. A key that was never made is destroyed all the same, so that it never will be. The key of
-- the ledger itself, which bears the id of nobody, stays.
CREATE FUNCTION vault.destroy(erased bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE destroyed bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.entries WHERE position = erased AND type = 'Customer.Erased') THEN
        RAISE EXCEPTION 'the entry at % does not say that a customer was erased', erased
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO vault.keys AS k (subject_id, wrapped, master_key_id, destroyed_at)
    SELECT DISTINCT key.value::uuid, NULL::bytea, '-', now()
      FROM ledger.entries e, jsonb_array_elements_text(e.data -> 'keys') AS key
     WHERE e.position = erased AND key.value::uuid <> '00000000-0000-0000-0000-000000000000'
     ORDER BY 1
        ON CONFLICT (subject_id) DO UPDATE SET wrapped = NULL, destroyed_at = now() WHERE k.wrapped IS NOT NULL;
    GET DIAGNOSTICS destroyed = ROW_COUNT;
    RETURN destroyed;
END $$;
COMMENT ON FUNCTION vault.destroy IS 'Destroys the keys that an entry Customer.Erased names; gives how many there were.';
REVOKE ALL ON FUNCTION vault.destroy FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.destroy TO daybook_api;

COMMENT ON TABLE vault.keys IS
    'One key for each person, wrapped by the master key; null once destroyed. The key of nobody is the ledger''s own.';
-- A destroyed key is a dead row until it is vacuumed, so that is not put off until there are many.
ALTER TABLE vault.keys SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);

CREATE INDEX entries_erasing ON ledger.entries (position) WHERE type = 'Customer.Erased';
COMMENT ON INDEX ledger.entries_erasing IS 'Who was erased; every process that holds keys, and every read model, asks again and again.';

CREATE INDEX entries_relating ON ledger.entries ((data ->> 'person_id')) WHERE type = 'Customer.RelationshipDeclared';
COMMENT ON INDEX ledger.entries_relating IS 'What is said of a person in the history of another.';
