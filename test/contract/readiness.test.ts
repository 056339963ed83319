/** The reasons of `/ready` match docs/deployment.md. */
import { readFileSync } from 'node:fs'
import t from 'tap'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const [, union = ''] = /export type Reason = (.*)\n/.exec(read('src/http/readiness.ts')) ?? []
const inCode = [...union.matchAll(/'([a-z]+)'/g)].map(([, word]) => word)
const [, table = ''] = /\| Reason \|[^\n]*\n([^]*?)\n\n/.exec(read('docs/deployment.md')) ?? []
const inDocs = [...table.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, word]) => word)

t.test('docs/deployment.md lists each reason once', async t => {
  t.ok(inCode.length > 5)
  t.same([...inDocs].sort(), [...inCode].sort())
})
