-- The ledger: one append-only table of entries, numbered densely in commit order.

CREATE SCHEMA ledger;

DO $$
DECLARE duty text;
BEGIN
    -- Roles belong to the whole cluster, so another database of it may have made them already.
    FOREACH duty IN ARRAY ARRAY['daybook_api', 'daybook_importer', 'daybook_projector'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', duty);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        EXECUTE format('GRANT %I TO CURRENT_USER', duty);
    END LOOP;
END $$;

CREATE TABLE ledger.head (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.head IS 'The last position given and its ledger time; its lock is the writers'' queue.';
INSERT INTO ledger.head (position, recorded_at) VALUES (0, '-infinity');

CREATE TABLE ledger.entries (
    position bigint PRIMARY KEY,
    stream_id uuid NOT NULL,
    stream_version integer NOT NULL CHECK (stream_version > 0),
    type text NOT NULL,
    schema smallint NOT NULL,
    customer_id uuid,
    case_id uuid,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('employee', 'customer', 'bot', 'system', 'import')),
    actor_id text NOT NULL,
    actor_role text,
    command_id uuid NOT NULL,
    causation_id uuid,
    correlation_id uuid,
    source text,
    external_id text,
    data jsonb NOT NULL,
    leaf bytea NOT NULL CHECK (length(leaf) = 32),
    UNIQUE (stream_id, stream_version),
    CHECK ((source IS NULL) = (external_id IS NULL))
);
COMMENT ON TABLE ledger.entries IS 'Everything that happened, once, in order, never altered.';
COMMENT ON COLUMN ledger.entries.leaf IS
    'SHA-256 over 0x00 and the canonical bytes of the entry: the JSON array [position, "recorded_at", {the rest}].';
CREATE UNIQUE INDEX entries_import_identity ON ledger.entries (source, external_id) WHERE source IS NOT NULL;
CREATE INDEX entries_of_customer ON ledger.entries (customer_id, position) WHERE customer_id IS NOT NULL;
CREATE INDEX entries_of_case ON ledger.entries (case_id, position) WHERE case_id IS NOT NULL;

CREATE TABLE ledger.commands (
    command_id uuid PRIMARY KEY,
    fingerprint bytea NOT NULL,
    stream_id uuid NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL
);
COMMENT ON TABLE ledger.commands IS 'What each command entered, so that doing it again gives the first answer.';

CREATE TABLE ledger.imports (
    import_id uuid PRIMARY KEY,
    source text NOT NULL,
    file_digest bytea NOT NULL,
    rows_done bigint NOT NULL,
    entries bigint NOT NULL,
    rejected bigint NOT NULL,
    finished_at timestamptz,
    UNIQUE (source, file_digest)
);
COMMENT ON TABLE ledger.imports IS 'How far the import of each file got; committed with the entries it speaks of.';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Correct a mistake by a further entry (void_entry).';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.commands
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Whatever way entries come in, they continue the head without a gap, or the statement fails.
CREATE FUNCTION ledger.keep_dense() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head ledger.head;
    entered record;
BEGIN
    SELECT count(*) AS many, min(position) AS first, max(position) AS last,
           min(recorded_at) AS earliest, max(recorded_at) AS latest
      INTO entered FROM new_entries;
    IF entered.many = 0 THEN RETURN NULL; END IF;
    SELECT * INTO STRICT head FROM ledger.head FOR UPDATE;
    IF entered.first <> head.position + 1 OR entered.last <> head.position + entered.many THEN
        RAISE EXCEPTION 'entries %..% do not continue the ledger, whose head is %',
            entered.first, entered.last, head.position USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF entered.earliest < head.recorded_at THEN
        RAISE EXCEPTION 'ledger time would run backwards: % after %', entered.earliest, head.recorded_at
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger.head SET position = entered.last, recorded_at = entered.latest;
    RETURN NULL;
END $$;

CREATE TRIGGER keep_dense AFTER INSERT ON ledger.entries REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.keep_dense();

CREATE FUNCTION ledger.take_head() RETURNS ledger.head LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE head ledger.head;
BEGIN
    SELECT * INTO STRICT head FROM ledger.head FOR UPDATE;
    head.recorded_at := greatest(clock_timestamp(), head.recorded_at);
    RETURN head;
END $$;
COMMENT ON FUNCTION ledger.take_head IS
    'Locks the head until the transaction ends; gives the last position and the ledger time for the next entries.';

-- commits: [{"command_id", "fingerprint", "stream_id", "entries": [canonical entry without position and time, …]}, …].
-- No two commits of one call may share a command id or a stream; the caller sees to that.
-- Each is answered on its own: accepted, done (entered before, with the first answer), key_conflict or version_conflict.
CREATE FUNCTION ledger.append(commits json)
    RETURNS TABLE (n bigint, outcome text, stream_id uuid, first_position bigint, last_position bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_column
DECLARE
    head ledger.head := ledger.take_head();
    stamp text := to_char(head.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT c.ordinality AS n, x.*
          FROM json_array_elements(commits) WITH ORDINALITY AS c,
               json_to_record(c.value) AS x (command_id uuid, fingerprint text, stream_id uuid, entries json)
    ), line AS MATERIALIZED (
        SELECT a.n, e.ordinality AS m, e.value::text AS body, x.*
          FROM asked a, json_array_elements(a.entries) WITH ORDINALITY AS e,
               json_to_record(e.value) AS x (
                   stream_id uuid, stream_version int, type text, schema smallint, customer_id uuid, case_id uuid,
                   occurred_at timestamptz, actor_kind text, actor_id text, actor_role text, command_id uuid,
                   causation_id uuid, correlation_id uuid, source text, external_id text, data jsonb)
    ), clash AS MATERIALIZED (
        SELECT DISTINCT l.n FROM line l
         WHERE EXISTS (SELECT FROM ledger.entries t
                        WHERE t.stream_id = l.stream_id AND t.stream_version = l.stream_version)
            OR l.m = 1 AND l.stream_version > 1
               AND NOT EXISTS (SELECT FROM ledger.entries t
                                WHERE t.stream_id = l.stream_id AND t.stream_version = l.stream_version - 1)
    ), judged AS MATERIALIZED (
        SELECT a.n, a.command_id, a.fingerprint, a.stream_id AS asked_stream,
               done.stream_id, done.first_position, done.last_position,
               CASE WHEN done.fingerprint = decode(a.fingerprint, 'hex') THEN 'done'
                    WHEN done.command_id IS NOT NULL THEN 'key_conflict'
                    WHEN clash.n IS NOT NULL THEN 'version_conflict'
                    ELSE 'accepted' END AS outcome
          FROM asked a LEFT JOIN ledger.commands done USING (command_id) LEFT JOIN clash USING (n)
    ), placed AS MATERIALIZED (
        SELECT l.*, head.position + row_number() OVER (ORDER BY l.n, l.m) AS position
          FROM line l JOIN judged j USING (n) WHERE j.outcome = 'accepted'
    ), entered AS (
        INSERT INTO ledger.entries (
            position, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, recorded_at,
            actor_kind, actor_id, actor_role, command_id, causation_id, correlation_id, source, external_id, data, leaf)
        SELECT position, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, head.recorded_at,
               actor_kind, actor_id, actor_role, command_id, causation_id, correlation_id, source, external_id, data,
               sha256('\x00'::bytea || convert_to('[' || position || ',"' || stamp || '",' || body || ']', 'UTF8'))
          FROM placed
    ), span AS MATERIALIZED (
        SELECT n, min(position) AS first, max(position) AS last FROM placed GROUP BY n
    ), kept AS (
        INSERT INTO ledger.commands (command_id, fingerprint, stream_id, first_position, last_position)
        SELECT j.command_id, decode(j.fingerprint, 'hex'), j.asked_stream, s.first, s.last
          FROM judged j JOIN span s USING (n)
    )
    SELECT j.n, j.outcome, coalesce(j.stream_id, j.asked_stream),
           coalesce(s.first, j.first_position), coalesce(s.last, j.last_position)
      FROM judged j LEFT JOIN span s USING (n) ORDER BY j.n;
END $$;

REVOKE ALL ON FUNCTION ledger.append, ledger.take_head FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO daybook_api, daybook_importer, daybook_projector;
GRANT SELECT ON ledger.entries, ledger.head TO daybook_api, daybook_importer, daybook_projector;
GRANT SELECT ON ledger.commands, ledger.imports TO daybook_api;
GRANT EXECUTE ON FUNCTION ledger.append TO daybook_api;
-- The importer copies entries in bulk; keep_dense guards what it copies.
GRANT INSERT ON ledger.entries TO daybook_importer;
GRANT EXECUTE ON FUNCTION ledger.take_head TO daybook_importer;
GRANT SELECT, INSERT, UPDATE ON ledger.imports TO daybook_importer;
