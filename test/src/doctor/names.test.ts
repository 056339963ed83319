/** The doctor on names with several addresses or only IPv6, and on hostile URLs and claims. */
import dns, { type LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { serverFindings } from '../../../src/doctor/checks/authorization-server.js'
import { tokenFindings } from '../../../src/doctor/checks/token.js'
import { examine } from '../../../src/doctor/doctor.js'
import type { Finding } from '../../../src/doctor/finding.js'
import { Visit } from '../../../src/doctor/visit.js'
import { patient } from '../../support/patient-doctor.js'
import { listening, service, withKey } from '../../support/service.js'

/** Lets mcp.test resolve to these addresses, and connects to 127.0.0.1. No real name has such addresses. */
function resolving (t: Test, ...addresses: string[]): void {
  const { lookup, promises: { lookup: lookupPromise } } = dns
  const local = { address: '127.0.0.1', family: 4 }
  const answer: LookupAddress[] = addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  Object.assign(dns.promises, { lookup: async () => answer })
  Object.assign(dns, {
    lookup: (name: string, ...rest: [{ all?: boolean }, (...result: unknown[]) => void]) => {
      if (name !== 'mcp.test') return Reflect.apply(lookup, dns, [name, ...rest])
      const [{ all = false }, done] = rest
      process.nextTick(done, null, ...all ? [[local]] : [local.address, local.family])
    }
  })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(dns.promises, { lookup: lookupPromise })
    Object.assign(dns, { lookup })
    syncBuiltinESMExports()
  })
}

async function findingsOf (t: Test, env: Record<string, string> = {}): Promise<readonly Finding[]> {
  const app = await service(t, { env: { ALLOWED_HOSTS: 'mcp.test', ...env } })
  const { port } = new URL(await listening(app))
  return await examine({ url: new URL(`http://mcp.test:${port}/mcp`), credential: withKey, patience: patient })
}

function withId (findings: readonly Finding[], id: string): readonly Finding[] {
  return findings.filter(finding => finding.id === id)
}

t.test('doctor finds an address of the name that refuses connections', async t => {
  resolving(t, '127.0.0.1', '127.0.0.2')
  t.match(withId(await findingsOf(t), 'broken-address'), [{
    severity: 'warning',
    what: 'mcp.test also resolves to 127.0.0.2 (ECONNREFUSED), which does not accept connections'
  }])
})

t.test('doctor accepts addresses that all work, and addresses without a route', async t => {
  resolving(t, '127.0.0.1', '127.0.0.1', '255.255.255.255')
  t.same(withId(await findingsOf(t), 'broken-address'), [])
})

t.test('doctor finds a name that has only IPv6 addresses', async t => {
  resolving(t, '2001:db8::1', '2001:db8::2')
  t.match(withId(await findingsOf(t), 'address-family'), [
    { severity: 'info', what: 'mcp.test has only IPv6 addresses', fix: 'add an A record' }
  ])
})

/** A server that nobody may call, and the number of connections that it got. */
async function inside (t: Test): Promise<{ readonly origin: string, readonly connections: () => number }> {
  let count = 0
  const server = createServer(socket => {
    count += 1
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return { origin: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => count }
}

t.test('doctor does not call a private URL that the challenge names', async t => {
  resolving(t, '127.0.0.1')
  const { origin, connections } = await inside(t)
  const findings = await findingsOf(t, { PUBLIC_URL: `http://${origin}`, OAUTH_SERVER: 'on' })
  t.match(withId(findings, 'resource-metadata'), [
    { severity: 'error', what: `resource_metadata is not public: "http://${origin}/.well-known/oauth-protected-resource/mcp"` }
  ])
  t.equal(connections(), 0)
})

const visit = new Visit({ url: new URL('https://mcp.test/mcp'), patience: patient })

t.test('doctor does not call a private authorization server', async t => {
  const { origin, connections } = await inside(t)
  t.match(await serverFindings(visit, { authorization_servers: [`https://${origin}`] }), [
    { id: 'authorization-server', severity: 'error', what: `The authorization server "https://${origin}" is not public` }
  ])
  t.equal(connections(), 0)
})

t.test('doctor removes control characters from URLs that the server names', async t => {
  for (const issuer of ['\u001b[2Jhttps://a.test', 'http://a.test/\u001b[2J\u202e', 'a\r\nERROR fake: \u2028b\u009b']) {
    const [finding] = await serverFindings(visit, { authorization_servers: [issuer] })
    t.match(finding, { id: 'authorization-server', what: /authorization server is/ })
    t.notMatch(finding?.what, /[\p{Cc}\p{Cf}\u2028]/u)
  }
})

t.test('doctor reports a token whose expiry is not a possible date', async t => {
  const tokenWith = (exp: number): string => {
    return ['{}', JSON.stringify({ exp }), ''].map(part => Buffer.from(part).toString('base64url')).join('.')
  }
  for (const exp of [-1e300, -1e15, -Number.MAX_VALUE]) {
    const credential = { authorization: `Bearer ${tokenWith(exp)}` }
    t.match(tokenFindings(new Visit({ url: visit.url, credential })), [
      { id: 'token-expired', severity: 'error', what: 'The token expired' }
    ])
  }
  t.same(tokenFindings(new Visit({ url: visit.url, credential: { authorization: `Bearer ${tokenWith(1e300)}` } })), [])
})
