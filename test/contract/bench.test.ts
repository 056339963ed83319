/** The benchmarks import only names that exist in the built package. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const root = new URL('../../', import.meta.url)
const programs = readdirSync(new URL('bench/', root)).filter(file => file.endsWith('.js'))
const imports = programs.flatMap(program => {
  const source = readFileSync(new URL(`bench/${program}`, root), 'utf8')
  return [...source.matchAll(/^import \{ ([\w, ]+) \} from '\.\.\/dist\/([\w/-]+)\.js'/gm)]
    .map(([, names = '', file = '']) => ({ program, names: names.split(', '), file }))
})

t.test('a benchmark imports from the built package', async t => { t.ok(imports.length > 0) })

for (const { program, names, file } of imports) {
  t.test(`bench/${program} imports names that ${file}.ts exports`, async t => {
    const module: unknown = await import(new URL(`${file}.ts`, root).href)
    t.ok(typeof module === 'object' && module !== null)
    t.same(names.filter(name => !Object.hasOwn(module as object, name)), [])
  })
}
