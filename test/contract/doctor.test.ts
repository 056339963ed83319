/** The doctor's findings match docs/troubleshooting.md. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const root = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const files = readdirSync(new URL('src/doctor', root), { recursive: true, encoding: 'utf8' }).filter(file =>
  file.endsWith('.ts')
)
const inCode = new Set(
  files.flatMap(file => [...read(`src/doctor/${file}`).matchAll(/\bid: '([a-z-]+)'/g)].map(([, id]) => id))
)
const [, table = ''] = /\| Finding \|[^\n]*\n([^]*?)\n\n/.exec(read('docs/troubleshooting.md')) ?? []
const inDocs = table
  .split('\n')
  .flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([a-z-]+)`/g)].map(([, id]) => id))

t.test('docs/troubleshooting.md lists each doctor finding once', async t => {
  t.ok(inCode.size > 30)
  t.same([...inDocs].sort(), [...inCode].sort())
})
