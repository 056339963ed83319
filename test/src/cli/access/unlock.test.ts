/** `unlock` on a running server, and its errors. */
import { dirname } from 'node:path'
import t from 'tap'
import { buildApp } from '../../../../src/app.js'
import { statePath } from '../../../support/state.js'
import { say } from '../../../support/terminal.js'
import { until } from '../../../support/until.js'

const key = 'key-of-the-unlock-test'

t.test('unlock clears a locked address of a running server', async t => {
  const STATE_DIR = await statePath(t)
  const app = await buildApp({ env: { STATE_DIR, API_KEYS: key, PREAUTH_RATE_LIMIT_MAX: '1', LOG_LEVEL: 'silent' } })
  t.teardown(() => app.close())
  const status = async (remoteAddress: string, given = key): Promise<number> => {
    const { statusCode } = await app.inject({
      url: '/mcp',
      method: 'DELETE',
      headers: { 'x-api-key': given },
      remoteAddress
    })
    return statusCode
  }
  for (const address of ['192.0.2.7', '192.0.2.8']) {
    t.same([await status(address, 'wrong'), await status(address)], [401, 429])
  }
  const { code, stdout } = await say(['unlock', '::ffff:192.0.2.7'], dirname(STATE_DIR), { STATE_DIR })
  t.same({ code, stdout }, { code: 0, stdout: 'The failures of 192.0.2.7 are cleared.' })
  await until(async () => await status('192.0.2.7') !== 429)
  t.equal(await status('192.0.2.8'), 429)
})

for (const argument of ['nonsense', '192.0.2', '']) {
  t.test(`unlock refuses ${JSON.stringify(argument)}`, async t => {
    const { code, stderr } = await say(['unlock', argument], t.testdir({}), {})
    t.equal(code, 1)
    t.match(stderr, /^The argument must be an IPv4 or IPv6 address/)
  })
}

t.test('unlock refuses to run without a state', async t => {
  const { code, stderr } = await say(['unlock', '192.0.2.7'], t.testdir({}), {})
  t.equal(code, 1)
  t.match(stderr, /There is no state in/)
})
