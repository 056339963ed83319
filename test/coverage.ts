/** Compares the line coverage of the last `npm run test:coverage` with the floor of each folder. */
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Collected {
  'source-map-cache'?: Record<string, { data?: { sourcesContent?: unknown[] } | null }>
}

interface Lines {
  total: number
  covered: number
}

const root = fileURLToPath(new URL('..', import.meta.url))
const collected = join(root, '.tap/coverage')

/** Removes the nulls that tsx writes as sources. With them, the report counts one line for each file. */
for (const name of readdirSync(collected)) {
  const path = join(collected, name)
  const process = JSON.parse(readFileSync(path, 'utf8')) as Collected
  let isChanged = false
  for (const { data } of Object.values(process['source-map-cache'] ?? {})) {
    if (data?.sourcesContent?.includes(null) !== true) continue
    delete data.sourcesContent
    isChanged = true
  }
  if (isChanged) writeFileSync(path, JSON.stringify(process))
}

execFileSync('npx', ['tap', 'report', 'json-summary', '--allow-incomplete-coverage'], { cwd: root, stdio: 'ignore' })
const summary = JSON.parse(readFileSync(join(root, '.tap/report/coverage-summary.json'), 'utf8')) as Record<
  string,
  { lines: Lines }
>
const found = new Map(
  Object.entries(summary).map(([path, { lines }]) => [relative(root, path).split(sep).join('/'), lines])
)

/** Counts lines. A file that no test loads is uncovered, unless it contains only types. */
function linesOf (file: string): Lines {
  const text = readFileSync(join(root, file), 'utf8')
  const total = /^(export )?(default )?(async )?(const|let|function|class) /m.test(text) ? text.split('\n').length - 1 : 0
  return found.get(file) ?? { total, covered: 0 }
}

const folders = new Map<string, Lines>()
for (const top of ['plugins', 'src']) {
  for (const entry of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue
    const file = `${top}/${entry.split(sep).join('/')}`
    const folder = file.split('/').slice(0, top === 'src' && entry.includes(sep) ? 2 : 1).join('/')
    const sum = folders.get(folder) ?? { total: 0, covered: 0 }
    const { total, covered } = linesOf(file)
    folders.set(folder, { total: sum.total + total, covered: sum.covered + covered })
  }
}

/** A floor under 94 % needs a reason. test/contract checks that. */
type Floor = number | { readonly floor: number, readonly because: string }

const floors = JSON.parse(readFileSync(join(root, 'test/coverage.json'), 'utf8')) as Record<string, Floor>
let isBelow = false
for (const [folder, { total, covered }] of [...folders].toSorted()) {
  if (total === 0) continue
  const percent = Math.floor((1000 * covered) / total) / 10
  const given = floors[folder]
  const floor = typeof given === 'object' ? given.floor : given
  const verdict = floor === undefined ? 'has no floor in test/coverage.json' : `is below its floor of ${floor} %`
  const isGood = floor !== undefined && percent >= floor
  if (!isGood) isBelow = true
  console.log(`${folder.padEnd(16)} ${percent.toFixed(1).padStart(5)} %${isGood ? '' : `  ${verdict}`}`)
}
for (const folder of Object.keys(floors)) {
  if (folders.has(folder)) continue
  isBelow = true
  console.log(`${folder.padEnd(16)} is in test/coverage.json, and holds no file`)
}
if (isBelow) process.exitCode = 1
