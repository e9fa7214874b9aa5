// Compares DuckDB's counts of a case's Parquet files with ks-timeline's.
import { DuckDBInstance } from '@duckdb/node-api';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [ks, dir] = process.argv.slice(2);
const db = await (await DuckDBInstance.create(':memory:')).connect();
const rows = async (sql) => (await db.runAndReadAll(sql)).getRows();
const one = async (sql) => Number((await rows(sql))[0][0]);
const timeline = (...args) => execFileSync(ks, [args[0], '--case', dir, ...args.slice(1)], { encoding: 'utf8', maxBuffer: 1 << 30 });
const table = (name) => `read_parquet('${dir}/store/${name}/*/*.parquet', hive_partitioning = false)`;

let differ = 0;
const check = (what, theirs, ours) => {
  if (theirs === ours) return console.log(`agree   ${what}: ${ours}`);
  differ++;
  console.log(`DIFFER  ${what}: DuckDB ${theirs}, ks-timeline ${ours}`);
};
const lines = (text) => text.split('\n').filter((l) => l !== '').length;

check('events', await one(`SELECT count(*) FROM ${table('events')}`), Number(timeline('count')));
check('facts', await one(`SELECT count(*) FROM ${table('facts')}`), Number(timeline('count', '--rows', 'facts')));
for (const t of ['sources', 'problems', 'coverage']) {
  check(t, await one(`SELECT count(*) FROM ${table(t)}`), lines(timeline(t, '--format', 'jsonl')));
}
const theirs = new Map((await rows(`SELECT artifact, count(*) FROM ${table('events')} GROUP BY artifact`)).map(([a, n]) => [a, Number(n)]));
const ours = new Map(timeline('count', '--by', 'artifact', '--format', 'jsonl').split('\n').filter(Boolean).map(JSON.parse).map((r) => [r.artifact, r.count]));
for (const a of new Set([...theirs.keys(), ...ours.keys()])) check(`events of ${a}`, theirs.get(a) ?? 0, ours.get(a) ?? 0);

const [from, to] = (await rows(`SELECT strftime(quantile_disc("time", 0.25), '%Y-%m-%dT%H:%M:%SZ'), strftime(quantile_disc("time", 0.75), '%Y-%m-%dT%H:%M:%SZ') FROM ${table('events')}`))[0];
check(`events from ${from} to ${to}`,
  await one(`SELECT count(*) FROM ${table('events')} WHERE "time" >= TIMESTAMPTZ '${from}' AND "time" < TIMESTAMPTZ '${to}'`),
  Number(timeline('count', '--from', from, '--to', to)));
check('events whose path holds .exe', await one(`SELECT count(*) FROM ${table('events')} WHERE path ILIKE '%.exe%'`), Number(timeline('count', '--path', '*.exe*')));
check('checksum of the exact times of $MFT', await one(`SELECT (sum(ticks % 65536))::BIGINT FROM ${table('events')} WHERE artifact = 'filesystem/mft'`),
  timeline('list', '--artifact', 'filesystem/mft', '--format', 'jsonl').split('\n').filter(Boolean)
    .reduce((s, l) => s + Number(BigInt(/"ticks":(\d+)/.exec(l)?.[1] ?? 0) % 65536n), 0));
check('rows out of order', await one(`SELECT count(*) FROM (SELECT ticks, lag(ticks) OVER (PARTITION BY filename ORDER BY file_row_number) AS before
  FROM read_parquet('${dir}/store/events/*/*.parquet', filename = true, file_row_number = true)) WHERE ticks < before`), 0);

process.chdir(dir);
await db.run(readFileSync('store/views.sql', 'utf8'));
for (const v of ['timeline', 'event_places', 'event_files', 'ledger']) {
  const n = await one(`SELECT count(*) FROM ${v}`);
  console.log(`view    ${v}: ${n} rows`);
}
process.exit(differ ? 1 : 0);
