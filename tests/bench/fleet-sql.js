// SPDX-License-Identifier: LGPL-2.1-or-later
// fleet-sql.js ENGINE SQL: runs the statements of docs/fleet.sql for "DuckDB" or "ClickHouse" on rows.ndjson of the working
// directory, and prints the rows of each that gives any as a line of JSON. Wants the packages @duckdb/node-api and chdb.
const fs = require('fs');
const { createRequire } = require('module');
const load = createRequire(process.cwd() + '/');

function statements(engine, path) {
        return fs.readFileSync(path, 'utf8').split(/^-- (?=\w+: )/m).filter(s => s.startsWith(engine + ':'))
                .map(s => s.split('\n').filter(line => !line.startsWith('--')).slice(1).join('\n').trim().replace(/;$/, ''));
}

const number = (key, value) => typeof value === 'bigint' ? Number(value) : value;

async function duckdb(all) {
        const { DuckDBInstance } = load('@duckdb/node-api');
        const connection = await (await DuckDBInstance.create(':memory:')).connect();
        for (const sql of all) {
                const rows = (await connection.runAndReadAll(sql)).getRowObjects();
                if (!/^create/i.test(sql))
                        console.log(JSON.stringify(rows, number));
        }
}

async function clickhouse(all) {
        const { Session } = load('chdb');
        const session = new Session();
        for (const sql of all) {
                const text = session.query(sql.replace("file('rows.ndjson'", `file('${process.cwd()}/rows.ndjson'`), 'JSON');
                if (!/^create/i.test(sql))
                        console.log(JSON.stringify(JSON.parse(text).data));
        }
        session.close();
}

const [engine, path] = process.argv.slice(2);
({ DuckDB: duckdb, ClickHouse: clickhouse })[engine](statements(engine, path));
