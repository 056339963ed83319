/** Changes by commands are in the audit of a running server that applies them, even without an audit file. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Ledger } from '../../src/ledger/ledger.js'
import { logSink } from '../support/log-sink.js'
import { service } from '../support/service.js'
import { mintedRecord } from '../support/state.js'
import { say } from '../support/terminal.js'
import { secret } from '../support/tokens.js'
import { until } from '../support/until.js'

t.test('AUDIT_STDOUT alone records the changes that commands make', async t => {
  const cwd = t.testdir({})
  const env = { STATE_DIR: join(cwd, 'state'), API_KEYS_FILE: join(cwd, 'keys.json'), AUDIT_STDOUT: 'on' }
  mkdirSync(env.STATE_DIR)
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await say(args, cwd, { ...env, JWT_SECRET: secret })
    t.equal(code, 0, stderr)
    return stdout
  }
  await run('keys', 'create', '--name', 'first')
  const sink = logSink()
  const app = await service(t, { env, logStream: sink })
  await app.ready()
  const records = (): Array<Record<string, unknown>> =>
    sink.lines().filter(({ audit, kind }) => audit === 1 && !['audit-opened', 'configured'].includes(String(kind)))
  /** Waits for the record number `count`, and checks that it is the last one. */
  const next = async (count: number, kind: string): Promise<Record<string, unknown> | undefined> => {
    await until(() => records().length >= count)
    t.equal(records().length, count)
    t.match(records().at(-1), { kind, outcome: 'allowed', principal: undefined })
    return records().at(-1)
  }

  const { id: keyId } = JSON.parse(await run('keys', 'create', '--name', 'second', '--json')) as { readonly id: string }
  t.match(await next(1, 'key-created'), { about: { keyId } })
  await run('token', '--user', 'ada')
  const minted = await next(2, 'token-minted')
  t.match(minted, { about: { subject: 'ada', role: 'user', by: 'cli' } })
  const { jti } = minted?.about as { readonly jti: string }
  await run('tokens', 'revoke', jti)
  t.match(await next(3, 'token-revoked'), { about: { jti, by: 'cli' } })
  await run('tokens', 'revoke-subject', 'ada')
  t.match(await next(4, 'subject-revoked'), { about: { subject: 'jwt:ada', before: /Z$/, by: 'cli' } })
  await run('tokens', 'revoke-key', keyId)
  t.match(await next(5, 'key-revoked'), { about: { keyId, by: 'cli' } })
  await run('unlock', '192.0.2.7')
  t.match(await next(6, 'address-unlocked'), { about: { address: '192.0.2.7', by: 'cli' } })
  await run('freeze', '--all')
  t.match(await next(7, 'frozen'), { about: { target: 'all', by: 'cli' } })
  await run('thaw', '--all')
  t.match(await next(8, 'thawed'), { about: { target: 'all', by: 'cli' } })
  t.match(sink.lines().filter(({ msg }) => msg === 'frozen'), [{ target: 'all', by: 'cli' }], 'the log has it too')
})

t.test('tokens revoked by one command share one record, and old mints have none', async t => {
  const cwd = t.testdir({})
  const STATE_DIR = join(cwd, 'state')
  const by = { principal: 'jwt:root', tokenId: 'root' }
  const state = await Ledger.open({ directory: STATE_DIR })
  t.teardown(async () => { await state.close() })
  const sink = logSink()
  const app = await service(t, { env: { STATE_DIR, AUDIT_STDOUT: 'on' }, logStream: sink })
  await app.ready()
  await state.mint(mintedRecord({ id: 'of long ago', at: Date.now() - 2 * 60 * 60_000 }))
  for (let n = 0; n < 30; n++) await state.mint(mintedRecord({ id: `token ${n}`, by }))
  const { code } = await say(['tokens', 'revoke', 'root', '--force', '--with-minted'], cwd, { STATE_DIR })
  t.equal(code, 0)
  const records = (): Array<Record<string, unknown>> => sink.lines().filter(({ kind }) => /^token/.test(String(kind)))
  await until(() => records().length > 0)
  t.match(records(), [{ kind: 'token-revoked', about: { count: 31, by: 'cli' } }])
  t.equal((records()[0]?.about as { readonly ids: readonly string[] }).ids.length, 20)
})
