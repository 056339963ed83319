/** docs/embedding.md lists every option, every plugin and every export. */
import { readdirSync, readFileSync } from 'node:fs'
import Fastify from 'fastify'
import t from 'tap'
import { appOptionNames } from '../../src/app.js'
import * as entry from '../../src/index.js'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/embedding.md', root), 'utf8')

/** The names in the first column of the tables below a heading. */
function listedUnder (heading: string): Set<string> {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const [text = ''] = section.split('\n## ')
  const cells = [...text.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) => cell.match(/`[\w-]+/g) ?? [])
  return new Set(cells.map(name => name.slice(1)))
}

t.test('docs/embedding.md lists every option of mcpAuth', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  // @ts-expect-error -- an unknown option: the error lists the known ones
  const error: unknown = await app.register(entry.mcpAuth, { noSuchOption: true }).then(() => undefined, error => error)
  const [, names = ''] = /the options are ([\w, ]+)/.exec(String(error)) ?? []
  const listed = listedUnder('Options of `mcpAuth`')
  t.ok(names.split(', ').length > 50)
  t.same(names.split(', ').filter(name => !listed.has(name) && name !== 'logLevel' && name !== 'logSerializers'), [])
})

t.test('docs/embedding.md lists every option of buildApp', async t => {
  const listed = listedUnder('Options of `startServer` and `buildApp`')
  t.same(Object.keys(appOptionNames).filter(name => !listed.has(name)), [])
})

t.test('docs/embedding.md lists every plugin', async t => {
  const listed = listedUnder('Single plugins')
  const plugins = readdirSync(new URL('plugins/', root)).map(file => file.replace(/\.ts$/, ''))
  t.same(plugins.filter(name => !listed.has(name)), [])
})

t.test('docs/embedding.md lists every export', async t => {
  const listed = listedUnder('What the package exports')
  t.same(Object.keys(entry).filter(name => !listed.has(name)), [])
})
