-- The seals: a Merkle tree over the entries' leaves (RFC 6962), and every signed checkpoint ever issued of it.

DO $$
DECLARE duty text;
BEGIN
    FOREACH duty IN ARRAY ARRAY['daybook_sealer', 'daybook_auditor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', duty);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', duty);
        END IF;
    END LOOP;
END $$;

CREATE SCHEMA seals;

CREATE TABLE seals.tiles (
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    root bytea NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (level, index)
);
-- Hashes do not compress, and whoever reads roots alone should not read past them.
ALTER TABLE seals.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE seals.tiles IS
    'The full tiles of the tree: 256 hashes of one level, as C2SP tlog-tiles has them; a tile that is not full is not kept.';
COMMENT ON COLUMN seals.tiles.root IS 'The root of the 256 hashes, which is a hash of the next level.';

CREATE TABLE seals.checkpoints (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    leaves bytea NOT NULL CHECK (length(leaves) = 32 * least(size - after, size % 256)),
    after bigint NOT NULL CHECK (after >= 0 AND after < size),
    note text NOT NULL,
    vkey text NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE seals.checkpoints IS 'Every checkpoint ever issued: the root over the first so many entries, signed.';
COMMENT ON COLUMN seals.checkpoints.after IS 'The size of the checkpoint before it; 0 where it is the first.';
COMMENT ON COLUMN seals.checkpoints.leaves IS
    'Of the entries since then, the leaves that no full tile holds: what was sealed is known of every entry by itself.';
COMMENT ON COLUMN seals.checkpoints.note IS 'The C2SP tlog-checkpoint, a signed note, as it was issued.';
COMMENT ON COLUMN seals.checkpoints.vkey IS 'The public key of its first signature; auditors take theirs from elsewhere.';

CREATE TABLE seals.cosignatures (
    size bigint NOT NULL REFERENCES seals.checkpoints,
    witness text NOT NULL,
    line text NOT NULL,
    vkey text NOT NULL,
    cosigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (size, witness)
);
COMMENT ON TABLE seals.cosignatures IS 'What witnesses signed: that they saw this checkpoint, and none that contradicts it.';

CREATE TABLE seals.publications (
    size bigint NOT NULL REFERENCES seals.checkpoints,
    place text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (size, place)
);
COMMENT ON TABLE seals.publications IS 'Which checkpoints were published where.';

CREATE TABLE seals.troubles (
    place text PRIMARY KEY,
    error text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE seals.troubles IS 'Places and witnesses that failed when they were last tried; they are tried again.';

CREATE TABLE seals.verifications (
    verified_at timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    size bigint NOT NULL CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32)
);
COMMENT ON TABLE seals.verifications IS 'Up to where the ledger was verified without a fault, and the root it had.';

CREATE FUNCTION seals.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'seals are append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['tiles', 'checkpoints', 'cosignatures', 'publications', 'verifications'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seals.%I'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION seals.refuse_change()', kept);
        EXECUTE format('ALTER TABLE seals.%I ENABLE ALWAYS TRIGGER append_only', kept);
    END LOOP;
END $$;

-- The sealer reads leaves, and not what they are of.
GRANT USAGE ON SCHEMA ledger, seals TO daybook_sealer;
GRANT SELECT ON ledger.head TO daybook_sealer;
GRANT SELECT (position, leaf) ON ledger.entries TO daybook_sealer;
GRANT SELECT, INSERT ON seals.tiles, seals.checkpoints, seals.cosignatures, seals.publications TO daybook_sealer;
GRANT SELECT, INSERT, UPDATE, DELETE ON seals.troubles TO daybook_sealer;

-- The auditor reads all that can be verified, and writes only that it was.
GRANT USAGE ON SCHEMA ledger, seals, books TO daybook_auditor;
GRANT SELECT ON ledger.entries, ledger.head, ledger.commands TO daybook_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA seals TO daybook_auditor;
GRANT INSERT (size, root) ON seals.verifications TO daybook_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA books TO daybook_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE daybook_projector IN SCHEMA books GRANT SELECT ON TABLES TO daybook_auditor;

GRANT USAGE ON SCHEMA seals TO daybook_api, daybook_projector;
GRANT SELECT ON seals.tiles, seals.checkpoints, seals.cosignatures, seals.publications, seals.troubles TO daybook_api;
-- daybook status tells of them under the projector's role.
GRANT SELECT ON seals.checkpoints, seals.cosignatures, seals.publications, seals.troubles TO daybook_projector;
