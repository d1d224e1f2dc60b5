-- The books: read models posted from the ledger. The engine makes their tables; this is its register.

CREATE SCHEMA books;

CREATE TABLE books.builds (
    build_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    version integer NOT NULL,
    fingerprint text NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN ('building', 'serving', 'retired')),
    table_name text NOT NULL UNIQUE,
    posted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE books.builds IS 'Every build of a read model: its definition, the position it stands at, whether it serves.';
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

-- The grant comes first: whoever migrates without being a superuser may give a table only to a role that could make it.
GRANT USAGE, CREATE ON SCHEMA books TO daybook_projector;
ALTER TABLE books.builds OWNER TO daybook_projector;
ALTER TABLE books.quarantine OWNER TO daybook_projector;
GRANT USAGE ON SCHEMA books TO daybook_api;
GRANT SELECT ON books.builds, books.quarantine TO daybook_api;
ALTER DEFAULT PRIVILEGES FOR ROLE daybook_projector IN SCHEMA books GRANT SELECT ON TABLES TO daybook_api;
