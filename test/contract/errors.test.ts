/** The refusals in src/errors.ts match docs/errors.md. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { refusals } from '../../src/errors.js'

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
const rows = [...page.matchAll(/^\| `(MCP_ERR_[A-Z_]+)` \| (\d+) \| (-?\d+) \| (.+) \| (.+) \|$/gm)].map(
  ([, code, status, rpc, what = '', todo = '']) => ({
    code,
    status: Number(status),
    rpc: Number(rpc),
    what,
    todo
  })
)

/** The codes of JSON-RPC 2.0 §5.1 and of MCP up to 2026-07-28. */
const specified = new Set([-32700, -32600, -32601, -32602, -32603, -32002, -32020, -32021, -32022])

t.test('docs/errors.md lists every code once, in order', async t => {
  t.strictSame(rows.map(row => row.code), [...refusals.keys()])
})

for (const [code, Refused] of refusals) {
  t.test(`docs/errors.md has the status and meaning of ${code}`, async t => {
    const row = rows.find(row => row.code === code)
    t.match(row, { status: Refused.statusCode, rpc: Refused.rpcCode })
    t.match(row?.what, /^[A-Z`].+\.$/)
    t.match(row?.todo, /^[A-Z`].+\.$/)
  })

  t.test(`${code} has a constant message`, async t => {
    const error = new Refused()
    t.equal(error.code, code)
    t.equal(error.statusCode, Refused.statusCode)
    t.equal(error.message, Refused.description)
    t.ok(Refused.statusCode === 200 || (Refused.statusCode >= 400 && Refused.statusCode < 600))
  })

  t.test(`the JSON-RPC code of ${code} is its status or a standard code`, async t => {
    t.ok(Refused.rpcCode === Refused.statusCode || specified.has(Refused.rpcCode))
  })
}
