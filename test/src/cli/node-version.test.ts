/** Which Node may run the command line tool. */
import t from 'tap'
import { tooOld } from '../../../src/cli/node-version.js'

for (const version of ['20.0.0', '20.20.2', '24.1.0', '100.0.0', process.versions.node]) {
  t.test(`Node ${version} runs it`, async t => {
    t.equal(tooOld(version), undefined)
  })
}

for (const version of ['4.9.1', '18.20.8', '19.9.0', '']) {
  t.test(`Node ${version || 'without a version'} is told in one sentence which one is needed`, async t => {
    t.equal(tooOld(version), `fastify-mcp-auth needs Node 20 or later, and this is Node ${version}.`)
  })
}
