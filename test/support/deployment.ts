/** Starts the service behind a real nginx with a correct configuration that a test changes, and runs the doctor. */
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { examine } from '../../src/doctor/doctor.js'
import type { Finding } from '../../src/doctor/finding.js'
import type { Patience } from '../../src/doctor/visit.js'
import { nginx } from './nginx.js'
import { patient } from './patient-doctor.js'
import { freePort } from './ports.js'
import { adaKey, listening, service, withKey } from './service.js'
import { secret } from './tokens.js'

export interface Deployment {
  /** nginx directives that replace those of `location /`. */
  readonly lines?: string
  /** nginx directives of the `server` block before `location /`. */
  readonly server?: string | ((upstream: string) => string)
  readonly env?: (base: string) => Record<string, string>
  /** The path in the URL that the doctor checks. Default `/mcp`. */
  readonly path?: string
  readonly as?: 'claude' | 'chatgpt' | 'vscode'
  readonly credential?: Record<string, string>
  readonly patience?: Partial<Patience>
  /** Changes the app before it listens. */
  readonly prepare?: (app: FastifyInstance) => void
}

const good = { Host: '$http_host', 'X-Forwarded-For': '$remote_addr', Connection: '""' }

/** Starts the deployment and resolves to the doctor's findings. */
export async function findingsOf (
  t: Test,
  { lines = '', server = '', env = () => ({}), path = '/mcp', as, credential = withKey, patience, prepare }: Deployment
): Promise<Finding[]> {
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const app = await service(t, {
    env: {
      API_KEYS: adaKey,
      JWT_SECRET: secret,
      OAUTH_SERVER: 'on',
      PUBLIC_URL: base,
      TRUST_PROXY: '127.0.0.1',
      ...env(base)
    }
  })
  prepare?.(app)
  const upstream = await listening(app)
  const defaults = [
    ...Object.entries(good)
      .filter(([name]) => !lines.includes(`proxy_set_header ${name} `))
      .map(([name, value]) => `proxy_set_header ${name} ${value};`),
    ...['proxy_http_version 1.1', 'proxy_buffering off', 'proxy_read_timeout 120s', 'client_max_body_size 2m']
      .filter(line => !lines.includes(line.split(' ')[0] ?? ''))
      .map(line => `${line};`)
  ]
  const before = typeof server === 'string' ? server : server(upstream)
  await nginx(t, { port, server: `${before} location / { proxy_pass ${upstream}; ${defaults.join(' ')} ${lines} }` })
  return await examine({ url: new URL(base + path), credential, as, patience: { ...patient, ...patience } })
}
