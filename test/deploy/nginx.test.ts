/** deploy/nginx/mcp.conf in front of a real server: calls are forwarded, and internal paths are not. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { examine } from '../../src/doctor/doctor.js'
import { patient } from '../support/patient-doctor.js'
import { freePort } from '../support/ports.js'
import { without } from '../support/programs.js'
import { listening, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'

const file = new URL('../../deploy/nginx/mcp.conf', import.meta.url)

/** Starts nginx with the file, changing only the certificate and the ports. Resolves to its base URL. */
async function proxied (t: Test, upstream: string, port: number): Promise<string> {
  const directory = t.testdir({})
  mkdirSync(join(directory, 'logs'))
  const site = readFileSync(file, 'utf8')
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replaceAll(/^\s*ssl_certificate.*$/gm, '')
    .replace('server 127.0.0.1:3000;', `server ${new URL(upstream).host};`)
  const path = join(directory, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${directory}/${name};`)
    .join(' ')
  writeFileSync(
    path,
    `daemon off; pid ${directory}/pid; error_log stderr; events {} http { access_log off; ${temporary} ${site} }`
  )
  const child = spawn('nginx', ['-p', directory, '-c', path], { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  })
  await until(async () => await listens(port))
  return `http://127.0.0.1:${port}`
}

async function listens (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await new Promise(resolve => {
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}

t.test('nginx forwards calls and keeps probes internal', { skip: without('nginx') }, async t => {
  const app = await service(t, {
    env: { PUBLIC_URL: 'https://mcp.example.com', TRUST_PROXY: 'loopback', SERVER_CARD: 'on' }
  })
  const url = await proxied(t, await listening(app), await freePort())
  const host = { Host: 'mcp.example.com' }
  const call = async (path: string): Promise<Response> => await fetch(url + path, {
    method: 'POST',
    headers: { ...host, ...withKey, 'Content-Type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami' } })
  })
  t.match(await (await call('/mcp')).json(), { id: 1, result: { structuredContent: { id: /^apikey:/ } } })
  for (const path of ['/mcp/server-card', '/.well-known/ai-catalog.json']) {
    t.equal((await fetch(url + path, { headers: host })).status, 200, path)
  }
  for (const path of ['/ready', '/health', '/metrics', '/elsewhere']) {
    t.equal((await fetch(url + path, { headers: host })).status, 404, path)
  }
})

t.test('doctor finds nothing behind the nginx file', { skip: without('nginx') }, async t => {
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const env = { PUBLIC_URL: base, TRUST_PROXY: 'loopback', OAUTH_SERVER: 'on', MCP_SESSIONS: 'on' }
  await proxied(t, await listening(await service(t, { env })), port)
  const findings = await examine({ url: new URL(`${base}/mcp`), credential: withKey, patience: patient })
  t.same(findings.filter(({ severity }) => severity !== 'info'), [])
  t.notOk(findings.some(({ id }) => id === 'server-version'))
})
