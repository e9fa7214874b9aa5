-- Views over the store of a case, for DuckDB; run them in the case folder:
--   duckdb -init store/views.sql
-- In ClickHouse replace read_parquet('…') by file('…', Parquet).
-- Times are UTC. Columns named *ticks count 100 ns since 1601-01-01.

CREATE OR REPLACE VIEW events AS
  SELECT lower(hex(id)) AS id_hex, * FROM read_parquet('store/events/*/*.parquet', hive_partitioning = false, union_by_name = true);
CREATE OR REPLACE VIEW facts AS
  SELECT lower(hex(id)) AS id_hex, * FROM read_parquet('store/facts/*/*.parquet', hive_partitioning = false, union_by_name = true);
CREATE OR REPLACE VIEW files AS
  SELECT * FROM read_parquet('store/files/*/*.parquet', hive_partitioning = false, union_by_name = true);
CREATE OR REPLACE VIEW coverage AS
  SELECT * FROM read_parquet('store/coverage/*/*.parquet', hive_partitioning = false, union_by_name = true);
CREATE OR REPLACE VIEW problems AS
  SELECT * FROM read_parquet('store/problems/*/*.parquet', hive_partitioning = false, union_by_name = true);
CREATE OR REPLACE VIEW sources AS
  SELECT * FROM read_parquet('store/sources/*/*.parquet', hive_partitioning = false, union_by_name = true);
CREATE OR REPLACE VIEW origins AS
  SELECT lower(hex(id)) AS id_hex, * FROM read_parquet('store/origins/*/*.parquet', hive_partitioning = false, union_by_name = true);

-- The timeline with the facts beside the events, each fact at the earliest
-- moment it can be true.
CREATE OR REPLACE VIEW timeline AS
  SELECT "time", NULL AS "to", false AS is_fact, exhibit, machine, artifact, action, meaning, path, program, "user", host, message, id_hex FROM events
  UNION ALL BY NAME
  SELECT "from" AS "time", "to", true AS is_fact, exhibit, machine, artifact, action, meaning, path, program, "user", host, message, id_hex FROM facts;

-- Every place of every event: its own and the further ones.
CREATE OR REPLACE VIEW event_places AS
  SELECT id_hex, exhibit, volume, snapshot, source_entry, source_sequence, source_stream, "inner", "offset", source, length, record, recovered, 0 AS further FROM events
  UNION ALL
  SELECT id_hex, exhibit, volume, snapshot, source_entry, source_sequence, source_stream, "inner", "offset", source, length, record, recovered, 1 AS further FROM origins;

-- An event with the entry it is about, as the volume has it today.
CREATE OR REPLACE VIEW event_files AS
  SELECT e.*, f.path AS path_today, f.state AS file_state, f.size AS file_size, f.sha256 AS file_sha256
  FROM events e LEFT JOIN files f
    ON f.exhibit = e.exhibit AND f.volume = e.volume AND f.snapshot = e.snapshot
   AND f.entry = e.entry AND f.sequence = e.sequence AND f.link = 0 AND f.stream = coalesce(e.stream, '');

-- What could have been shown, and by which source, worst first.
CREATE OR REPLACE VIEW ledger AS
  SELECT exhibit, machine, artifact, verdict, history, state, "from", "to", gaps, how, source
  FROM coverage
  ORDER BY CASE verdict WHEN 'UNTRUSTED' THEN 0 WHEN 'NOT COVERED' THEN 1 WHEN 'PARTIAL' THEN 2 ELSE 3 END, artifact, "from";
