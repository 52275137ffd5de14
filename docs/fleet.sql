-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Rows of many hosts (vfioalignctl row, one a line) in two databases. A host counts once, by its newest row, as with
-- vfioalignctl fleet. What is not a row is left out. Set the name of the file to yours; it can have wildcards.

-- DuckDB: the newest row of each host
create or replace view vfioalign as
select * exclude (newest) from (
        select *, row_number() over (partition by coalesce(host.id, host.name) order by time desc) as newest
        from read_json('rows.ndjson', format = 'newline_delimited', ignore_errors = true, columns = {
                kind: 'VARCHAR', time: 'TIMESTAMP', version: 'VARCHAR', kernel: 'VARCHAR', thp: 'VARCHAR', module: 'VARCHAR',
                host: 'STRUCT(name VARCHAR, id VARCHAR)', emulators: 'VARCHAR[]', findings: 'VARCHAR[]',
                need: 'STRUCT(need VARCHAR, guests BIGINT, guests_short BIGINT, faults BIGINT, faults_after BIGINT,
                              pin_steps BIGINT, pin_steps_after BIGINT)',
                guests: 'STRUCT(name VARCHAR, running BOOLEAN, page_size BIGINT, best_page_size BIGINT, "limit" VARCHAR,
                                start_seconds DOUBLE, bar_seconds DOUBLE)[]'})
        where kind = 'row' and coalesce(host.id, host.name) is not null)
where newest = 1;

-- DuckDB: which hosts need what
select need.need as need, count(*) as hosts, sum(need.guests_short) as guests_short, sum(need.faults) as faults,
       sum(need.faults_after) as faults_after
from vfioalign group by 1 order by 2 desc, 1;

-- DuckDB: the names of those that need one thing
select host.name from vfioalign where need.need = 'module' order by 1;

-- DuckDB: the slowest starts that were measured
select host.name as host, guest.name as guest, guest.start_seconds, guest.bar_seconds
from vfioalign, unnest(guests) as g(guest) where guest.bar_seconds is not null order by 4 desc limit 20;

-- ClickHouse: the newest row of each host. In a log pipeline a table takes the place of the file. Line by line: otherwise a row
-- that was cut takes the next one with it.
create view vfioalign as
with JSONExtract(line, 'Tuple(kind String, time String, version String, kernel String, thp String, module String,
        host Tuple(name String, id Nullable(String)), emulators Array(String), findings Array(String),
        need Tuple(need String, guests UInt64, guests_short UInt64, faults Nullable(UInt64), faults_after Nullable(UInt64),
                   pin_steps Nullable(UInt64), pin_steps_after Nullable(UInt64)),
        guests Array(Tuple(name String, page_size Nullable(UInt64), limit String, bar_seconds Nullable(Float64))))') as row
select parseDateTimeBestEffortOrZero(row.time) as time, row.version as version, row.kernel as kernel, row.thp as thp,
       row.module as module, row.host as host, row.emulators as emulators, row.findings as findings, row.need as need,
       row.guests as guests
from file('rows.ndjson', LineAsString)
where isValidJSON(line) and row.kind = 'row' and row.need.need != ''
      and coalesce(row.host.id, row.host.name) != ''
order by time desc limit 1 by coalesce(row.host.id, row.host.name);

-- ClickHouse: which hosts need what
select need.need as needs, count() as hosts, sum(need.guests_short) as guests_short, sum(need.faults) as faults,
       sum(need.faults_after) as faults_after
from vfioalign group by needs order by hosts desc, needs;

-- ClickHouse: the names of those that need one thing
select host.name as name from vfioalign where need.need = 'module' order by name;
