/** The log names the credential of a refused request, but never contains a secret. */
import t from 'tap'
import { revokeKey, setDisabled } from '../../src/api-keys/changes.js'
import { Ledger } from '../../src/ledger/ledger.js'
import { keyFile, newKey } from '../support/keys.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, post, rpc, service, withKey } from '../support/service.js'
import { statePath } from '../support/state.js'
import { forge, forgeClaims, inSeconds, secret } from '../support/tokens.js'

type Line = Record<string, unknown>

const minute = 60_000
const revoked = newKey({ owner: 'ada' })
const disabled = newKey()
const expired = newKey({ lifetimeSeconds: 1 }, Date.now() - minute)
const elsewhere = newKey({ cidrs: ['192.0.2.0/24'] })
const good = newKey({ owner: 'bob' })
const records = [
  revokeKey([revoked.record], revoked.record.id).result,
  setDisabled([disabled.record], disabled.record.id, true).result,
  expired.record,
  elsewhere.record,
  good.record
]

for (const [what, { key, record }, reason] of [
  ['revoked', revoked, 'the API key was revoked'],
  ['disabled', disabled, 'the API key is disabled'],
  ['expired', expired, 'the API key has expired'],
  ['used from another network', elsewhere, 'the API key is not allowed from this network']
] as const) {
  t.test(`the log line for a key that is ${what} names the key and its owner`, async t => {
    const logStream = logSink()
    const app = await service(t, { env: { API_KEYS_FILE: await keyFile(t, records) }, logStream })
    const answer = await post(app, rpc('tools/list'), { 'x-api-key': key })
    t.equal(answer.status, 401)
    t.notMatch(answer.text, new RegExp(record.id), 'the answer does not reveal it')
    t.match(lineOf(logStream.lines()), {
      code: 'MCP_ERR_UNAUTHENTICATED',
      reason,
      keyId: record.id,
      subject: record.owner,
      principal: undefined
    })
  })
}

t.test(
  'the log line for an expired token names sub and jti if we signed it',
  async t => {
    const logStream = logSink()
    const app = await service(t, { logStream })
    const claims = { sub: 'ada', jti: 'token-1', exp: inSeconds(-5) }
    await post(app, rpc('tools/list'), { authorization: `Bearer ${forgeClaims(claims)}` })
    t.match(lineOf(logStream.lines()), { subject: 'jwt:ada', tokenId: 'token-1', reason: /EXPIRED/ })
    await post(app, rpc('tools/list'), {
      authorization: `Bearer ${forge({ payload: claims, key: `${secret}!` })}`
    })
    const line = lineOf(logStream.lines())
    t.notOk('subject' in line || 'tokenId' in line, 'claims without a valid signature are not logged')
  }
)

t.test('the log line for a revoked credential names it', async t => {
  const logStream = logSink()
  const stateDir = await statePath(t)
  const state = await Ledger.open({ directory: stateDir })
  const token = forgeClaims({ jti: 'token-2' })
  await state.revokeToken('token-2', { principal: 'cli' })
  await state.close()
  const app = await service(t, { logStream, stateDir })
  await post(app, rpc('tools/list'), { authorization: `Bearer ${token}` })
  t.match(lineOf(logStream.lines()), { subject: 'jwt:ada', tokenId: 'token-2', reason: 'the credential was revoked' })
})

t.test('the log line names valid keys, but not unknown ones', async t => {
  const logStream = logSink()
  const app = await service(t, { env: { API_KEYS_FILE: await keyFile(t, records) }, logStream })
  await post(app, rpc('tools/list'), { 'x-api-key': good.key })
  t.match(lineOf(logStream.lines()), { statusCode: 200, principal: 'user:bob', keyId: good.record.id })
  await post(app, rpc('tools/list'), withKey)
  t.match(lineOf(logStream.lines()), { statusCode: 200, principal: /^apikey:/, keyId: /^[\da-f]{12}$/ })
  await post(app, rpc('tools/list'), { 'x-api-key': `${adaKey}x` })
  const line = lineOf(logStream.lines())
  t.notOk('keyId' in line || 'subject' in line)
})

function lineOf (lines: readonly Line[]): Line {
  return lines.filter(({ msg }) => msg === 'request').at(-1) ?? {}
}
