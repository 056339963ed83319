/** Every exception from coverage has a reason. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))

t.test('a low floor in test/coverage.json has a reason', async t => {
  const floors = JSON.parse(readFileSync(`${root}test/coverage.json`, 'utf8')) as Record<string, unknown>
  for (const [folder, floor] of Object.entries(floors)) {
    t.ok(existsSync(`${root}${folder}`), folder)
    if (typeof floor === 'number') t.ok(floor >= 94, `${folder} has a floor of ${floor} % without a reason`)
    else t.match(floor, { floor: Number, because: /^.{40,}\.$/ }, folder)
  }
})

t.test('a comment that excludes lines from coverage says why they cannot run', async t => {
  for (const top of ['src', 'plugins', 'create/src']) {
    for (const file of readdirSync(`${root}${top}`, { recursive: true, encoding: 'utf8' })) {
      if (!/\.[jt]s$/.test(file)) continue
      const comments = readFileSync(`${root}${top}/${file}`, 'utf8').match(/(?:c8|v8|istanbul) ignore.*/g) ?? []
      // For example: v8 ignore next -- the SDK closes the transport first
      for (const comment of comments) t.match(comment, / -- \S.{10,}/, `${top}/${file}`)
    }
  }
})
