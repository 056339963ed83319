/** The servers to measure, and the claims about them. */
import { createHmac } from 'node:crypto'
import { apiKey, jwtSecret } from './work.js'

/** Another build of this package. */
const { BENCH_ENTRY: entry } = process.env
/** The settings of `servers/ours.js`. */
export const ourSettings = { keys: [apiKey], jwtSecret, ...(entry === undefined ? {} : { entry }) }
export const byKey = { 'x-api-key': apiKey }

const withKey = { file: 'ours.js', settings: ourSettings, credential: byKey, ours: true }
const withToken = { ...withKey, credential: { authorization: `Bearer ${token()}` } }
const withSession = { ...withKey, settings: { ...ourSettings, env: { MCP_SESSIONS: 'on' } }, inSession: true }
const tuned = { settings: { tuned: true } }

/** In the order of the report. `file` is the server; `era` is the protocol revision of the requests. */
export const contenders = [
  { id: 'bare-2025', label: 'bare Fastify, a fixed reply', era: '2025', file: 'bare.js' },
  { id: 'ours-2025', label: 'this server, API key', era: '2025', ...withKey },
  { id: 'ours-2025-jwt', label: 'this server, JWT', era: '2025', ...withToken },
  { id: 'ours-session', label: 'this server, in a session', era: '2025', ...withSession },
  {
    id: 'v2-2025',
    label: 'SDK v2 `createMcpHandler` on Fastify (answers as a stream)',
    era: '2025',
    file: 'sdk-v2.js'
  },
  { id: 'fastmcp', label: 'fastmcp, stateless, JSON', era: '2025', file: 'fastmcp.js' },
  { id: 'v1', label: 'SDK v1 on Express, a server per request', era: '2025', file: 'sdk-v1.js' },
  { id: 'v1-tuned', label: 'the same, schemas created once', era: '2025', file: 'sdk-v1.js', ...tuned },
  {
    id: 'v1-session',
    label: 'SDK v1 on Express, in a session',
    era: '2025',
    file: 'sdk-v1-session.js',
    inSession: true
  },
  { id: 'bare-2026', label: 'bare Fastify, a fixed reply', era: '2026', file: 'bare.js' },
  { id: 'ours-2026', label: 'this server, API key', era: '2026', ...withKey },
  { id: 'v2-2026', label: 'SDK v2 `createMcpHandler` on Fastify', era: '2026', file: 'sdk-v2.js' },
  { id: 'v2-2026-tuned', label: 'the same, schemas created once', era: '2026', file: 'sdk-v2.js', ...tuned }
]

/** Latencies are measured at a load of this share of the first server's maximum. */
export const paced = { by: 'v1', ids: ['v1', 'ours-2025'], share: 0.8 }

/** The claims: the ratio of the first server to the second. Without `field`, of requests per second. */
export const claims = [
  { what: '2025 era against SDK v1 per request', of: 'ours-2025', to: 'v1', least: 7, aim: 10 },
  { what: 'a session against a session of SDK v1', of: 'ours-session', to: 'v1-session', least: 4 },
  { what: 'a session against no session', of: 'ours-session', to: 'ours-2025', least: 0.6 },
  { what: '2025 era against fastmcp', of: 'ours-2025', to: 'fastmcp', least: 5, aim: 8 },
  { what: '2026-07-28 against `createMcpHandler`', of: 'ours-2026', to: 'v2-2026', least: 2.5, aim: 4 },
  { what: '2025 era against bare Fastify', of: 'ours-2025', to: 'bare-2025', least: 0.3, aim: 0.45 },
  { what: '2026-07-28 against bare Fastify', of: 'ours-2026', to: 'bare-2026', least: 0.2, aim: 0.35 },
  { what: 'JWT instead of API key, warm', of: 'ours-2025-jwt', to: 'ours-2025', least: 0.9 },
  { what: 'p99 against SDK v1 per request, same load', of: 'ours-2025', to: 'v1', field: 'pacedP99', most: 0.1 }
]

function token () {
  const now = Math.floor(Date.now() / 1000)
  const text = [{ alg: 'HS256', typ: 'JWT' }, { sub: 'bench', role: 'user', iat: now, exp: now + 86_400 }]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', jwtSecret).update(text).digest('base64url')}`
}
