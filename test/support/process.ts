/** Starts real processes, each in its own directory, and ends them with the test. */
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
/** Settings with which the server starts, on a free port. */
export const sound = { API_KEYS: key, PORT: '0' }
export const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

/** The user for tests of file permissions, which do not bind root. */
export const nobody = { uid: 65_534, gid: 65_534 }
export const isRoot = process.getuid?.() === 0

/**
 * For the `skip` option of a test that root runs as `nobody`. That user may lack access to Node or to this
 * project, for example in root's home directory.
 */
export function unlessNobodyCan (): string | false {
  const look = ['-e', 'require("node:fs").accessSync(process.argv[1])', `${root}package.json`]
  return isRoot && spawnSync(process.execPath, look, { cwd: '/', ...nobody }).status !== 0
    ? 'the user nobody cannot run this Node on this project'
    : false
}

export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** The base URL of the server, from its `Ready:` line. Rejects if the process ends before that. */
  readonly url: Promise<string>
  /** Resolves once the process has ended and its output is complete. */
  readonly ended: Promise<{ code: number | null, signal: NodeJS.Signals | null }>
}

export interface StartOptions {
  readonly cwd: string
  /** All variables of the process except PATH and HOME. It inherits no others. */
  readonly env?: Record<string, string>
  /** Start a new process group, which ends with the test. */
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
  // With `env -i`, because the test runner adds its hooks to the `env` option.
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
    ended.then(() => reject(new Error(`the process ended too early:\n${stdout}\n${stderr}`)), reject)
  })
  // A test that does not use the URL does not fail if the process ends early.
  url.catch(() => {})
  t.teardown(async () => {
    end(child, group)
    await ended
    witnessProcess(stdout, stderr)
    if (cwd !== '/') witnessFiles(cwd)
  })
  return { child, stdout: () => stdout, stderr: () => stderr, url, ended }
}

/** Returns whether any process of the child's group is alive. */
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

/** Starts a call without its last byte. `finish` sends it. `host` is the `Host` header. */
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
  // The server answers 100 Continue when it has accepted the call.
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
