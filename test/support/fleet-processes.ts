/** Instances of a fleet as real processes, each with its own state directory, and with its own relay to Redis. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type Running, start } from './process.js'
import type { RedisServer } from './redis.js'
import { adaKey, callOf } from './service.js'
import { ask, type Headers } from './session.js'
import { type TcpRelay, tcpRelay } from './tcp-relay.js'
import { forgeClaims, inSeconds, secret } from './tokens.js'

const file = fileURLToPath(new URL('./session-server.ts', import.meta.url))

export interface FleetProcess extends Running {
  /** Its base URL. */
  readonly at: string
  readonly stateDir: string
}

export interface RelayedProcess extends FleetProcess {
  /** Its way to Redis, which no other instance takes. */
  readonly relay: TcpRelay
}

/** One process. Its commands may take longer than a busy machine needs. */
export async function fleetProcess (t: Test, url: string, env: Record<string, string> = {}): Promise<FleetProcess> {
  const cwd = mkdtempSync(join(tmpdir(), 'fleet-'))
  const stateDir = join(cwd, 'state')
  const running = start(t, process.execPath, ['--import', import.meta.resolve('tsx'), file], {
    cwd,
    env: {
      API_KEYS: adaKey,
      JWT_SECRET: secret,
      MCP_SESSIONS: 'on',
      REDIS_URL: url,
      REDIS_TIMEOUT_MS: '8000',
      RATE_LIMIT_MAX: '100000',
      PREAUTH_RATE_LIMIT_MAX: '20',
      TRUST_PROXY: 'loopback',
      STATE_DIR: stateDir,
      LOG_LEVEL: 'warn',
      ...env
    }
  })
  // After the process, which ends with the test.
  t.teardown(() => { rmSync(cwd, { recursive: true, force: true }) })
  return { ...running, at: await running.url, stateDir }
}

export async function fleetProcesses (
  t: Test,
  url: string,
  size: number,
  env?: Record<string, string>
): Promise<FleetProcess[]> {
  return await Promise.all(Array.from({ length: size }, async () => await fleetProcess(t, url, env)))
}

/** Each behind a relay of its own, so that one can be cut off. */
export async function relayedProcesses (
  t: Test,
  { port }: RedisServer,
  size: number,
  env?: Record<string, string>
): Promise<RelayedProcess[]> {
  return await Promise.all(
    Array.from({ length: size }, async () => {
      const relay = await tcpRelay(t, port)
      return { ...(await fleetProcess(t, `redis://127.0.0.1:${relay.port}`, env)), relay }
    })
  )
}

/** One of a list, in turn. */
export function nth<T> (list: readonly T[], n: number): T {
  const one = list[n % list.length]
  if (one === undefined) throw new Error('an empty list')
  return one
}

let addresses = 0

/** The headers of a caller at an address that no other request of the test has. */
export function caller (user: string, { role = 'user', jti }: { role?: string, jti?: string } = {}): Headers {
  const claims = { sub: user, role, exp: inSeconds(600), ...(jti === undefined ? {} : { jti }) }
  return { authorization: `Bearer ${forgeClaims(claims)}`, ...fromElsewhere() }
}

export function fromElsewhere (): Headers {
  addresses += 1
  return { 'x-forwarded-for': `10.${addresses >> 16 & 255}.${addresses >> 8 & 255}.${addresses & 255}` }
}

/** The status of a call of `whoami`. */
export async function statusAt ({ at }: FleetProcess, headers: Headers): Promise<number> {
  return (await ask(at, callOf('whoami'), headers)).status
}

/** What `/ready` says: `ready` or `degraded`, with status 200. */
export async function readiness ({ at }: FleetProcess): Promise<string> {
  const response = await fetch(`${at}/ready`)
  const { status } = await response.json() as { readonly status: string }
  return response.status === 200 ? status : `${status} ${response.status}`
}

/** What a tool answers: its text, or its error as text. */
export async function textOf (
  { at }: FleetProcess,
  tool: string,
  args: Record<string, unknown>,
  headers: Headers
): Promise<string> {
  return JSON.stringify((await ask(at, callOf(tool, args), headers)).body)
}
