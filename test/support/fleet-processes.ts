/** Instances of a fleet as real processes, each with its own state directory and its own relay to Redis. */
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
  /** The relay of this instance to Redis. */
  readonly relay: TcpRelay
}

/** Starts one instance. The deadline of its Redis commands is longer than a busy machine needs. */
export async function fleetProcess (t: Test, url: string, env: Record<string, string> = {}): Promise<FleetProcess> {
  const cwd = mkdtempSync(join(tmpdir(), 'fleet-'))
  const stateDir = join(cwd, 'state')
  // Runs after the teardown of `start` has ended the process: tap runs the last added teardown first.
  t.teardown(() => { rmSync(cwd, { recursive: true, force: true }) })
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

/** Starts instances, each behind its own relay, so that one can be cut off. */
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

/** Returns element `n` of a list, which starts over at its end. */
export function nth<T> (list: readonly T[], n: number): T {
  const one = list[n % list.length]
  if (one === undefined) throw new Error('the list is empty')
  return one
}

let addresses = 0

/** Returns the headers of a caller with a new address. */
export function caller (user: string, { role = 'user', jti }: { role?: string, jti?: string } = {}): Headers {
  const claims = { sub: user, role, exp: inSeconds(600), ...(jti === undefined ? {} : { jti }) }
  return { authorization: `Bearer ${forgeClaims(claims)}`, ...fromElsewhere() }
}

export function fromElsewhere (): Headers {
  addresses += 1
  return { 'x-forwarded-for': `10.${addresses >> 16 & 255}.${addresses >> 8 & 255}.${addresses & 255}` }
}

/** Calls `whoami` and returns the status. */
export async function statusAt ({ at }: FleetProcess, headers: Headers): Promise<number> {
  return (await ask(at, callOf('whoami'), headers)).status
}

/** Returns `ready` or `degraded` from `/ready`, with status 200. */
export async function readiness ({ at }: FleetProcess): Promise<string> {
  const response = await fetch(`${at}/ready`)
  const { status } = await response.json() as { readonly status: string }
  return response.status === 200 ? status : `${status} ${response.status}`
}

/** Calls a tool and returns its text, or its error as text. */
export async function textOf (
  { at }: FleetProcess,
  tool: string,
  args: Record<string, unknown>,
  headers: Headers
): Promise<string> {
  return JSON.stringify((await ask(at, callOf(tool, args), headers)).body)
}
