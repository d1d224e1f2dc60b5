-- The books: read models posted from the ledger. The engine makes their tables; this is its register.

CREATE SCHEMA books;

CREATE TABLE books.builds (
    build_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    version integer NOT NULL,
    fingerprint text NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    occurred_until timestamptz,
    state text NOT NULL CHECK (state IN ('building', 'serving', 'retired', 'as_of')),
    table_name text NOT NULL UNIQUE,
    begun_at timestamptz NOT NULL DEFAULT now(),
    posted_at timestamptz NOT NULL DEFAULT now(),
    certified_position bigint,
    certified_rows bigint,
    checksum text,
    CHECK (occurred_until IS NULL OR state IN ('building', 'as_of')),
    CHECK ((checksum IS NULL) = (certified_position IS NULL) AND (checksum IS NULL) = (certified_rows IS NULL))
);
COMMENT ON TABLE books.builds IS 'Every build of a read model: its definition, the position it stands at, whether it serves.';
COMMENT ON COLUMN books.builds.occurred_until IS 'Of an as-of build by business time: what happened later is left out.';
COMMENT ON COLUMN books.builds.checksum IS 'Of all rows as they were when the build stood at certified_position.';
CREATE UNIQUE INDEX one_serving_build ON books.builds (model) WHERE state = 'serving';

CREATE TABLE books.quarantine (
    build_id bigint NOT NULL REFERENCES books.builds ON DELETE CASCADE,
    key text NOT NULL,
    position bigint NOT NULL,
    error text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (build_id, key)
);
COMMENT ON TABLE books.quarantine IS 'Keys whose fold failed: set aside with the entry and the error, others go on.';

CREATE TABLE books.alarms (
    build_id bigint NOT NULL REFERENCES books.builds ON DELETE CASCADE,
    key text NOT NULL,
    position bigint NOT NULL,
    stored jsonb,
    folded jsonb,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (build_id, key)
);
COMMENT ON TABLE books.alarms IS 'Rows that are not what their entries fold to: as stored, and as folded; null where there is none.';

CREATE TABLE books.lease (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    holder uuid,
    process text,
    taken_at timestamptz,
    beat_at timestamptz,
    until timestamptz
);
COMMENT ON TABLE books.lease IS 'Which projector may post, until when, and when it was last heard of; without a holder it was given back.';
INSERT INTO books.lease DEFAULT VALUES;

-- The grant comes first: whoever migrates without being a superuser may give a table only to a role that could make it.
GRANT USAGE, CREATE ON SCHEMA books TO daybook_projector;
ALTER TABLE books.builds OWNER TO daybook_projector;
ALTER TABLE books.quarantine OWNER TO daybook_projector;
ALTER TABLE books.alarms OWNER TO daybook_projector;
ALTER TABLE books.lease OWNER TO daybook_projector;
GRANT USAGE ON SCHEMA books TO daybook_api;
GRANT SELECT ON books.builds, books.quarantine, books.alarms, books.lease TO daybook_api;
ALTER DEFAULT PRIVILEGES FOR ROLE daybook_projector IN SCHEMA books GRANT SELECT ON TABLES TO daybook_api;
