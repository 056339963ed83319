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
  t.match(await say(['why', ' ', '--log', 'server.log'], directory), { code: 1, stderr: /^The request id is empty/ })
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

t.test('why reads logs with the prefix of a journal or container engine', async t => {
  const line = '{"time":0,"reqId":"r1","statusCode":200,"outcome":"ok"}'
  const directory = t.testdir({ 'server.log': `mcp-1  | ${line}\r\nhost {x} mcp[7]: ${line}\n` })
  const { stdout } = await say(['why', 'r1', '--log', 'server.log'], directory)
  t.equal(stdout, '1970-01-01T00:00:00.000Z, status 200, ok\n\n1970-01-01T00:00:00.000Z, status 200, ok')
})

t.test('why finds an id that JSON escapes', async t => {
  const id = 'a"b\\c\u202e'
  const line = `{"reqId":${JSON.stringify(id).replace('\u202e', '\\u202e')},"statusCode":200}`
  const directory = t.testdir({ 'server.log': line })
  t.match(await say(['why', id, '--log', 'server.log'], directory), { code: 0, stdout: 'status 200, ok' })
  const { stdout } = await say(['why', id, '--log', 'server.log', '--json'], directory)
  t.notMatch(stdout, /[^\n\x20-\x7e]/)
  t.equal(JSON.parse(stdout)[0].reqId, id)
})

t.test('why reports lines with the id that are cut off', async t => {
  const directory = t.testdir({ 'server.log': '{"reqId":"r1","statusCode":200}\n{"reqId":"r2","statusCo' })
  const note = 'Note: 1 line contains the id but is not complete JSON.'
  t.match(await say(['why', 'r2', '--log', 'server.log'], directory), { code: 1, stderr: note })
  t.match(await say(['why', 'r1', '--log', 'server.log'], directory), { code: 0, stderr: '' })
})

t.test('why names lines about a part of the request', async t => {
  const lines = [
    { reqId: 'r1', msg: 'token minted' },
    { requestId: 'r1', kind: 'token-minted', outcome: 'allowed' },
    { reqId: 'r1' }
  ]
  const directory = t.testdir({ 'server.log': lines.map(line => JSON.stringify(line)).join('\n') })
  const { stdout } = await say(['why', 'r1', '--log', 'server.log'], directory)
  t.equal(stdout, 'token minted\n\ntoken-minted, allowed\n\nstatus unknown')
})

for (const [what, value] of [
  ['an object that cannot become text', { toString: 1, valueOf: 1 }],
  ['a number that is no date', 1e300],
  ['the name of a member of every object', 'constructor'],
  ['a nested list', [[[[1]]]]]
] as const) {
  t.test(`why survives ${what} in every field`, async t => {
    const names = ['time', 'at', 'code', 'statusCode', 'principal', 'keyId', 'ip', 'client', 'rpc', 'tool', 'reason']
    const line = { reqId: 'r1', ...Object.fromEntries(names.map(name => [name, value])) }
    const directory = t.testdir({ 'server.log': JSON.stringify(line) })
    const { code, stdout } = await say(['why', 'r1', '--log', 'server.log'], directory)
    t.equal(code, 0)
    t.notMatch(stdout, /\[object|native code/)
  })
}

t.test('why skips a line that is nested too deeply', async t => {
  const deep = `{"reqId":"r1","x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
  const directory = t.testdir({ 'server.log': deep })
  t.match(await say(['why', 'r1', '--log', 'server.log', '--json'], directory), { code: 1, stdout: '[]' })
})
