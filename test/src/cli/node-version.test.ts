/** Supported Node versions of the command line tool. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { tooOld } from '../../../src/cli/node-version.js'

for (const version of [
  '20.19.0',
  '20.20.2',
  '22.12.0',
  '22.22.0',
  '23.0.0',
  '24.1.0',
  '100.0.0',
  process.versions.node
]) {
  t.test(`Node ${version} is supported`, async t => {
    t.equal(tooOld(version), undefined)
  })
}

for (const version of ['4.9.1', '18.20.8', '19.9.0', '20.0.0', '20.18.3', '21.7.3', '22.11.0', '']) {
  t.test(`Node ${version || 'without a version'} gets one sentence with the required version`, async t => {
    t.equal(tooOld(version), `fastify-mcp-auth requires Node 20.19, 22.12 or later. This is Node ${version}.`)
  })
}

t.test('package.json requires the same version', async t => {
  const { engines } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  t.equal(engines.node, '^20.19 || >=22.12')
})
