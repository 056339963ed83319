/** An upstream that answers 401 or 403 with a challenge: logged for the operator, hidden from the caller. */
import t from 'tap'
import { answer, ask, far, text } from '../support/http-upstream.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, listening, modern, post, withKey } from '../support/service.js'
import { client, serving, textOf } from '../support/upstreams.js'

const metadata = 'https://upstream.example/.well-known/oauth-protected-resource'
const challenges: ReadonlyArray<readonly [number, string]> = [
  [401, `Bearer realm="hunter2", resource_metadata="${metadata}", scope="hunter2:read"`],
  [401, `Bearer error="invalid_token", error_description="hunter2", resource_metadata="${metadata}"`],
  [401, 'Basic realm="hunter2"'],
  [401, 'DPoP error="use_dpop_nonce"'],
  [403, `Bearer error="insufficient_scope", scope="hunter2:write", resource_metadata="${metadata}"`],
  [403, 'Bearer error="insufficient_scope", error_description="hunter2"'],
  [403, 'Bearer error="insufficient_scope", scope="hunter2", resource_metadata="no URL"']
]

for (const [n, [status, challenge]] of challenges.entries()) {
  t.test(`an upstream's ${status} with ${challenge} reaches the log, not the caller`, async t => {
    const behind = await far(t, ask(response => {
      response.writeHead(status, { 'www-authenticate': challenge }).end('hunter2')
    }))
    const log = logSink()
    const app = await serving(t, { far: { url: behind.url } }, { logStream: log })
    const url = await listening(app)
    const ada = await client(t, url, adaKey, { era: n % 2 === 0 ? 'modern' : 'legacy' })
    const before = behind.seen.length
    const failed = await ada.callTool({ name: 'call' })
    t.match(failed, { isError: true })
    t.match(textOf(failed), /^The upstream server refused this server; the operator must correct this \(request /)
    t.notMatch(JSON.stringify(failed), /hunter2|upstream\.example|Bearer|Basic|DPoP/)
    t.equal(behind.seen.length, before + 1, 'one request, and no metadata is fetched')
    const lines = log.text().split('\n').filter(line => line.includes('"upstream":"far"'))
    t.equal(lines.length, 1, 'one line names the upstream')
    t.match(JSON.parse(lines[0] ?? ''), { level: 40, advice: /check `headers`/, msg: 'a request to an upstream failed' })
    const { headers, payload } = modern('tools/call', { name: 'call' })
    const raw = await post(app, payload, { ...withKey, ...headers })
    t.equal(raw.status, 200)
    t.equal(raw.headers['www-authenticate'], undefined)
  })
}

for (const [status, challenge] of challenges) {
  t.test(`a session refused by an upstream with ${status} and ${challenge} is a readable error`, async t => {
    let isRefusing = false
    const done = ask((response, message) => { answer(response, message, text('done')) })
    const behind = await far(t, done, ask(response => {
      if (isRefusing) response.writeHead(status, { 'www-authenticate': challenge }).end('hunter2')
    }))
    const log = logSink()
    const app = await serving(t, { far: { url: behind.url, share: 'caller' } }, { logStream: log })
    isRefusing = true
    const ada = await client(t, await listening(app), adaKey)
    const failed = await ada.callTool({ name: 'call' })
    t.match(textOf(failed), /^The upstream server refused this server; the operator must correct this \(request /)
    t.notMatch(JSON.stringify(failed), /hunter2|upstream\.example|Bearer|Basic|DPoP/)
    t.notMatch(log.text(), /invalid message/)
    t.match(log.text(), /"upstream":"far".*check `headers`/)
  })
}
