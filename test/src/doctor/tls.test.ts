/** The doctor on misconfigured certificates behind a real nginx. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { Finding } from '../../../src/doctor/finding.js'
import { Authority } from '../../support/certificates.js'
import { nginx, withoutNginx } from '../../support/nginx.js'
import { patient } from '../../support/patient-doctor.js'
import { root } from '../../support/process.js'
import { without } from '../../support/programs.js'
import { freePort } from '../../support/ports.js'
import { listening, service } from '../../support/service.js'

const run = promisify(execFile)

/** Runs the doctor in its own process, because Node reads a private authority only at its start. */
async function findingsOf (authority: string, urls: readonly string[]): Promise<Record<string, Finding[]>> {
  const program = `
    const patience = ${JSON.stringify(patient)}
    import { examine } from '${root}src/doctor/doctor.ts'
    const found = {}
    for (const url of process.argv.slice(1)) found[url] = await examine({ url: new URL(url), patience })
    console.log(JSON.stringify(found))`
  const { stdout } = await run(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program, ...urls],
    { env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: authority } }
  )
  return JSON.parse(stdout)
}

t.test('doctor names each problem of a certificate', { skip: withoutNginx || without('openssl') }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'authority-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const authority = new Authority(directory)
  const ports = new Map<string, number>()
  const serve = async (name: string, server: string, listen = 'ssl'): Promise<void> => {
    const port = ports.get(name) ?? await freePort()
    ports.set(name, port)
    await nginx(t, { port, listen, server })
  }
  /** Serves an app with this certificate. */
  const serveApp = async (name: string, certificate: string): Promise<void> => {
    const port = await freePort()
    ports.set(name, port)
    const app = await service(t, {
      env: { OAUTH_SERVER: 'on', PUBLIC_URL: `https://127.0.0.1:${port}`, TRUST_PROXY: '127.0.0.1' }
    })
    const lines = 'proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; ' +
      'client_max_body_size 2m;'
    await serve(name, `${certificate} location / { proxy_pass ${await listening(app)}; ${lines} }`)
  }
  await serveApp('good', authority.certificate())
  await serveApp('ending', authority.certificate({ to: 5.5 }))
  await serve('expired', authority.certificate({ from: -9, to: -1 }))
  await serve('early', authority.certificate({ from: 1 }))
  await serve('incomplete', authority.certificate({ alone: true }))
  await serve('other', authority.certificate({ names: 'DNS:other.example' }))
  await serve('own', authority.selfSigned())
  await serve('plain', '', '')
  await serve('old', `${authority.certificate()} ssl_protocols TLSv1.1;`)
  await serve('nameless', 'ssl_reject_handshake on;')
  await serve('mutual', `${authority.certificate()} ssl_verify_client on; ssl_client_certificate ${authority.root};`)
  const urlOf = (name: string, scheme = 'https'): string => `${scheme}://127.0.0.1:${ports.get(name)}/mcp`
  const all = await findingsOf(authority.root, [...[...ports.keys()].map(name => urlOf(name)), urlOf('good', 'http')])
  const worst = (url: string): Finding[] => (all[url] ?? []).filter(({ severity }) => severity !== 'info')
  t.same(worst(urlOf('good')), [])
  const what = 'The certificate expires in 5 days'
  t.match(worst(urlOf('ending')), [{ id: 'tls-expiry', severity: 'warning', what }])
  for (const [name, what] of [
    ['expired', 'The certificate has expired (CERT_HAS_EXPIRED)'],
    ['early', 'The certificate is not valid yet (CERT_NOT_YET_VALID)'],
    ['incomplete', 'The certificate chain is incomplete (UNABLE_TO_VERIFY_LEAF_SIGNATURE)'],
    ['other', 'The certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID)'],
    ['own', 'The certificate is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT)'],
    ['plain', /^The server does not use TLS on this port/],
    ['old', /^The server and its clients have no TLS version or cipher in common/],
    ['nameless', /^The server has no certificate for this name/]
  ] as const) t.match(worst(urlOf(name)), [{ id: 'tls', severity: 'error', what }], name)
  t.match(worst(urlOf('good', 'http')), [{ id: 'html-answer', what: /400/, fix: /^write https:/ }])
  t.match(worst(urlOf('mutual')), [{ id: 'html-answer', what: /400/, fix: /ssl_verify_client off$/ }])
})
