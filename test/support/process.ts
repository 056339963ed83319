/** Starts real processes in directories of their own, and ends them with the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { secretOfTests, witnessFiles, witnessProcess } from './witness.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))
/** Runs TypeScript without a build, from any directory. */
export const viaTsx = ['--import', import.meta.resolve('tsx'), `${root}src/cli/main.ts`] as const

export const key = secretOfTests('a-key-of-sixteen-or-more')
/** An environment that starts, on a free port. */
export const sound = { API_KEYS: key, PORT: '0' }
export const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

/** Root writes everywhere: what a file refuses it refuses to this user. */
export const nobody = { uid: 65_534, gid: 65_534 }
export const isRoot = process.getuid?.() === 0

/**
 * For the `skip` of a test that root runs as `nobody`, who may not be let in to this Node or this project
 * (a home directory of root's).
 */
export function unlessNobodyCan (): string | false {
  const look = ['-e', 'require("node:fs").accessSync(process.argv[1])', `${root}package.json`]
  return isRoot && spawnSync(process.execPath, look, { cwd: '/', ...nobody }).status !== 0
    ? 'nobody but root can run this Node on this project'
    : false
}

export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** The base URL of the line that says where the server is. Rejects where the process ends before it. */
  readonly url: Promise<string>
  /** Resolves once the process has ended and its output is complete. */
  readonly ended: Promise<{ code: number | null, signal: NodeJS.Signals | null }>
}

export interface StartOptions {
  readonly cwd: string
  /** All there is besides PATH and HOME: nothing of the environment of the tests reaches the process. */
  readonly env?: Record<string, string>
  /** In a process group of its own, which ends with the test. */
  readonly group?: boolean
  readonly uid?: number
  readonly gid?: number
}

export function start (
  t: Test,
  command: string,
  args: readonly string[],
  { cwd, env = {}, group = false, uid, gid }: StartOptions
): Running {
  const { PATH = '', HOME = '' } = process.env
  // `env -i` and not the option: the test runner adds its own hooks to that one.
  const variables = Object.entries({ PATH, HOME, ...env }).map(([name, value]) => `${name}=${value}`)
  const child = spawn('env', ['-i', ...variables, command, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: group,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid })
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', chunk => {
    stdout += String(chunk)
  })
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null
  }))
  const url = new Promise<string>((resolve, reject) => {
    child.stderr?.on('data', chunk => {
      stderr += String(chunk)
      const [, found] = /^Ready: (\S+)\/mcp$/m.exec(stderr) ?? []
      if (found !== undefined) resolve(found)
    })
    ended.then(() => reject(new Error(`ended before it was ready:\n${stdout}\n${stderr}`)), reject)
  })
  // Not every test waits for it, and then an early end is not its business.
  url.catch(() => {})
  t.teardown(async () => {
    end(child, group)
    await ended
    witnessProcess(stdout, stderr)
    if (cwd !== '/') witnessFiles(cwd)
  })
  return { child, stdout: () => stdout, stderr: () => stderr, url, ended }
}

/** Whether any process of the group that `child` leads is left. */
export function groupLives ({ pid }: ChildProcess): boolean {
  try {
    return process.kill(-(pid ?? NaN), 0)
  } catch {
    return false
  }
}

function end (child: ChildProcess, group: boolean): void {
  if (group && groupLives(child)) process.kill(-(child.pid ?? NaN), 'SIGKILL')
  else child.kill('SIGKILL')
}

export async function listTools (url: string): Promise<Response> {
  return await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: list
  })
}

/** A call whose last byte is still to come: accepted, and not answered before `finish`. `host` is the header's. */
export async function beginCall (
  t: Test,
  url: string,
  host = new URL(url).host
): Promise<{ finish: () => void; answer: Promise<string> }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  const answer = readAll(socket)
  const head = [
    'POST /mcp HTTP/1.1',
    `Host: ${host}`,
    `x-api-key: ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${list.length}`,
    'Expect: 100-continue',
    '',
    ''
  ].join('\r\n')
  socket.write(head + list.slice(0, -1))
  // The server says so when it has taken the call on.
  await new Promise<void>(resolve => socket.once('data', () => resolve()))
  return {
    finish: () => {
      socket.write(list.slice(-1))
    },
    answer
  }
}

async function readAll (socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => { text += String(chunk) })
  await new Promise<void>((resolve, reject) => { socket.once('close', () => resolve()).once('error', reject) })
  return text
}
