/** The installed packages support every Node version in `engines`. */
import { readFileSync } from 'node:fs'
import t from 'tap'

const root = new URL('../../', import.meta.url)
const read = (file: string): unknown => JSON.parse(readFileSync(new URL(file, root), 'utf8'))
const lock = read('package-lock.json') as {
  packages: Record<string, { version?: string, engines?: { node?: string }, dev?: boolean }>
}
const lowest = [20, 19, 0]

/** Returns true if a range such as `^20.19 || >=22.12` includes Node 20.19.0. Reads only common forms. */
function hasLowest (range: string): boolean {
  return range.split('||').some(part => (part.match(/[<>=^~]*\s*\d+(?:\.[\dx*]+)*|\*/g) ?? []).every(holds))
}

function holds (comparator: string): boolean {
  if (comparator === '*') return true
  const [, operator = '', numbers = ''] = /^([<>=^~]*)\s*(.*)$/.exec(comparator) ?? []
  const bound = numbers.split('.').map(part => Number(part) || 0)
  const order = lowest.map((part, at) => part - (bound[at] ?? 0)).find(one => one !== 0) ?? 0
  if (operator === '>') return order > 0
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return order >= 0 && (operator === '>=' || bound[0] === lowest[0])
}

t.test('hasLowest parses version ranges', async t => {
  const having = ['>=18', '^20.19 || >=22.12', '>= 0.6', '>=4.0.0 <23', '*', '20.x', '14 || >=16.14']
  for (const range of having) t.ok(hasLowest(range), range)
  for (const range of ['>=22', '^22.13.0 || >=24', '>=20.20', '^18', '>=4 <20']) t.notOk(hasLowest(range), range)
})

t.test('npm ci prints no EBADENGINE warning on Node 20.19', async t => {
  const others = Object.entries(lock.packages).filter(([, { engines }]) => !hasLowest(engines?.node ?? '*'))
  t.same(others.map(([path, { version, engines }]) => `${path} ${version} ${engines?.node}`), [])
})
