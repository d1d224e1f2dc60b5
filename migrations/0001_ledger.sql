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
        -- Two databases of a cluster may be shaped at once, and a grant would collide; a superuser needs none.
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', duty);
        END IF;
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
    occurred_at timestamptz NOT NULL CHECK (isfinite(occurred_at)),
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
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
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
-- Not even a session that plays the replica gets round it.
ALTER TABLE ledger.entries ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.commands ENABLE ALWAYS TRIGGER append_only;

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
    IF entered.latest > greatest(clock_timestamp(), head.recorded_at) THEN
        RAISE EXCEPTION 'ledger time would run ahead: % is still to come', entered.latest
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

-- Enters commands: the entries of all of them as one JSON array of canonical bodies (without position and time), the
-- entries of a command next to one another, and for each entry its command's fingerprint of 32 bytes. The basis says
-- which other streams a command was decided on, at which versions: [{"command_id", "stream_id", "stream_version"}, …].
-- A stream takes the entries of one command in a call. Each command is answered on its own, in the order asked:
-- accepted, done (entered before, with the first answer), key_conflict or version_conflict.
-- The settings keep the plan on the indexes, however small or large the tables were when it was made.
CREATE FUNCTION ledger.append(entries json, fingerprints bytea, basis json)
    RETURNS TABLE (outcome text, first_position bigint, last_position bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    head ledger.head := ledger.take_head();
    stamp text := ',"' || to_char(head.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '",';
BEGIN
    RETURN QUERY
    WITH overtaken AS MATERIALIZED (
        SELECT DISTINCT command_id
          FROM json_to_recordset(basis) AS read (command_id uuid, stream_id uuid, stream_version int)
         WHERE stream_version <> coalesce(
                   (SELECT last.stream_version FROM ledger.entries last WHERE last.stream_id = read.stream_id
                     ORDER BY last.stream_version DESC LIMIT 1), 0)
    ), asked AS (
        SELECT *, substring(fingerprints FROM (32 * n - 31)::int FOR 32) AS fingerprint
          FROM ROWS FROM (
                   json_array_elements(entries),
                   json_to_recordset(entries) AS (
                       stream_id uuid, stream_version int, type text, schema smallint, customer_id uuid, case_id uuid,
                       occurred_at timestamptz, actor_kind text, actor_id text, actor_role text, command_id uuid,
                       causation_id uuid, correlation_id uuid, source text, external_id text, data jsonb)
               ) WITH ORDINALITY AS entry (
                   body, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, actor_kind,
                   actor_id, actor_role, command_id, causation_id, correlation_id, source, external_id, data, n)
    ), checked AS (
        SELECT *, stream_version <> row_number() OVER stream + coalesce(
                      (SELECT last.stream_version FROM ledger.entries last WHERE last.stream_id = asked.stream_id
                        ORDER BY last.stream_version DESC LIMIT 1), 0)
                  OR command_id <> first_value(command_id) OVER stream
                  OR EXISTS (SELECT FROM overtaken WHERE overtaken.command_id = asked.command_id) AS stale
          FROM asked WINDOW stream AS (PARTITION BY stream_id ORDER BY n)
    ), judged AS (
        SELECT checked.*, done.first_position, done.last_position,
               CASE WHEN done.fingerprint = checked.fingerprint THEN 'done'
                    WHEN done.command_id IS NOT NULL THEN 'key_conflict'
                    WHEN bool_or(stale) OVER (PARTITION BY command_id) THEN 'version_conflict'
                    ELSE 'accepted' END AS outcome
          FROM checked LEFT JOIN ledger.commands done USING (command_id)
    ), placed AS MATERIALIZED (
        SELECT *, head.position + count(*) FILTER (WHERE outcome = 'accepted') OVER (ORDER BY n) AS position
          FROM judged
    ), entered AS (
        INSERT INTO ledger.entries (
            position, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, recorded_at,
            actor_kind, actor_id, actor_role, command_id, causation_id, correlation_id, source, external_id, data, leaf)
        SELECT position, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, head.recorded_at,
               actor_kind, actor_id, actor_role, command_id, causation_id, correlation_id, source, external_id, data,
               sha256('\x00'::bytea || convert_to('[' || position || stamp || body || ']', 'UTF8'))
          FROM placed WHERE outcome = 'accepted' ORDER BY n
    ), answered AS MATERIALIZED (
        SELECT command_id, outcome, fingerprint, min(n) AS n, (array_agg(stream_id ORDER BY n))[1] AS stream_id,
               CASE outcome WHEN 'accepted' THEN min(position) ELSE first_position END AS first_position,
               CASE outcome WHEN 'accepted' THEN max(position) ELSE last_position END AS last_position
          FROM placed GROUP BY command_id, outcome, fingerprint, first_position, last_position
    ), kept AS (
        INSERT INTO ledger.commands (command_id, fingerprint, stream_id, first_position, last_position)
        SELECT command_id, fingerprint, stream_id, first_position, last_position
          FROM answered WHERE outcome = 'accepted'
    )
    SELECT outcome, first_position, last_position FROM answered ORDER BY n;
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
