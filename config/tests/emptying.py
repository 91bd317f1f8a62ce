"""How the suite empties its database between tests that commit.

PostgreSQL makes new files for each table and index that is truncated: 0.16 s of CPU for ours, however few their rows.
So rows are deleted, under the locks that TRUNCATE takes; and truncated where there are, or were, a great many.

Processes of the test may still be at work. We take all locks or none, and so wait for them but never they for us: no
deadlock, and no request of theirs that fails.
"""

TRUNCATED_FROM_BYTES = 1024 * 1024  # of the heaps of all tables, dead rows included
LOCK_SECONDS = 10  # below the `statement_timeout` of our connections

EMPTY = f"""
DO $$
DECLARE
    tables regclass[];
    name regclass;
    began timestamptz := clock_timestamp();
BEGIN
    WITH RECURSIVE made (name) AS (
        VALUES ('users'::regclass), ('search_embedding_models'::regclass)
        UNION
        SELECT conrelid::regclass FROM pg_constraint JOIN made ON confrelid = made.name WHERE contype = 'f'
    )
    SELECT array_agg(made.name) INTO tables FROM made;

    LOOP
        BEGIN
            EXECUTE 'LOCK TABLE ' || array_to_string(tables, ', ') || ' IN ACCESS EXCLUSIVE MODE NOWAIT';
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() > began + interval '{LOCK_SECONDS} seconds' THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.01);
        END;
    END LOOP;

    IF (SELECT sum(pg_relation_size(t)) FROM unnest(tables) t) > {TRUNCATED_FROM_BYTES} THEN
        TRUNCATE users, search_embedding_models RESTART IDENTITY CASCADE;
        RETURN;
    END IF;

    SET LOCAL session_replication_role = replica; -- triggers and foreign keys stay silent, as with TRUNCATE
    FOREACH name IN ARRAY tables LOOP
        EXECUTE 'DELETE FROM ' || name;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence JOIN pg_depend ON objid = seqrelid
        WHERE classid = 'pg_class'::regclass AND refobjid = ANY (tables) AND deptype IN ('a', 'i');
END $$
"""
