/** `why` finds the reason for a request id in the log or the audit. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { callOf, post, service } from '../../../support/service.js'
import { say } from '../../../support/terminal.js'

t.test('why finds a refused request in the log and the audit', async t => {
  const directory = t.testdir({})
  const lines: string[] = []
  const AUDIT_FILE = join(directory, 'audit.jsonl')
  const app = await service(t, {
    env: { AUDIT_FILE, LOG_LEVEL: 'info' },
    logStream: {
      write: line => {
        lines.push(line)
      }
    }
  })
  const { body } = await post(app, callOf('whoami'), { 'x-api-key': 'no-such-key' })
  const id = String(body.error.data.requestId)
  await post(app, callOf('whoami'))
  await app.close()
  writeFileSync(join(directory, 'server.log'), ['not json', ...lines, `{"msg":"mentions ${id}"}`].join('\n'))
  for (const args of [['--log', 'server.log'], []]) {
    const { code, stdout } = await say(['why', id, ...args], directory, { AUDIT_FILE })
    t.equal(code, 0)
    t.match(stdout, /^\d{4}-\d\d-\d\dT.*, status 401, MCP_ERR_UNAUTHENTICATED\n/)
    t.match(stdout, args.length > 0 ? /^Reason: the API key is unknown$/m : /^Reason: \S/m)
    t.match(stdout, /^Caller: .*from 127\.0\.0\.1/m)
    t.match(stdout, /^What to do: check the key with "keys verify"/m)
    t.equal(stdout.match(/MCP_ERR_UNAUTHENTICATED/g)?.length, 1)
  }
  t.match(await say(['why', id, '--json'], directory, { AUDIT_FILE }), { code: 0, stdout: /"requestId": / })
})

t.test('why exits with 1 for an unknown request or without files', async t => {
  const directory = t.testdir({ 'server.log': '{"reqId":"other"}\n' })
  t.match(await say(['why', 'none', '--log', 'server.log'], directory), {
    code: 1,
    stdout: /^The request was not found/
  })
  t.match(await say(['why', 'none'], directory), {
    code: 1,
    stdout: '',
    stderr: /^AUDIT_FILE is not set: set it, or pass the server log with --log\./
  })
  t.match(await say(['why', 'none', '--log', 'none.log'], directory), {
    code: 1,
    stderr: /none\.log cannot be read \(ENOENT\)/
  })
})

t.test('why escapes control characters', async t => {
  const line = {
    time: 0,
    reqId: 'r1',
    statusCode: 401,
    code: 'MCP_ERR_UNAUTHENTICATED',
    principal: 'jwt:\u001b[2Jada\u202e',
    reason: 'x'
  }
  const { stdout } = await say(['why', 'r1', '--log', 'server.log'], t.testdir({ 'server.log': JSON.stringify(line) }))
  t.notOk(stdout.includes('\u001b') || stdout.includes('\u202e'))
  t.match(stdout, 'Caller: jwt:')
})
