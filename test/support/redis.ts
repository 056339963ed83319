/** A real redis-server on a free port that a test can freeze, kill and restart. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './ports.js'

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly freeze: () => void
  readonly thaw: () => void
  readonly kill: () => Promise<void>
  /** Starts an empty Redis on the same port. */
  readonly restart: () => Promise<void>
}

const hasServer = spawnSync('redis-server', ['--version']).status === 0

/** The reason to skip tests with Redis, or `false`. In CI a missing Redis fails them: see `redisServer`. */
export const withoutRedis: string | false =
  hasServer || process.env.CI !== undefined ? false : 'redis-server is not installed'

/** Starts a Redis that writes no files. Wait for `answers` before use. */
export function spawnRedis (port: number, directory: string, options: readonly string[] = []): ChildProcess {
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
  return spawn('redis-server', [...place, '--save', '', '--appendonly', 'no', ...options], { stdio: 'ignore' })
}

/** Starts a Redis that ends with the test. */
export async function redisServer (t: Pick<Test, 'teardown'>, options: readonly string[] = []): Promise<RedisServer> {
  if (!hasServer) throw new Error('redis-server is not installed')
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'redis-'))
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    child = spawnRedis(port, directory, options)
    await answers(port)
  }
  const kill = async (): Promise<void> => {
    const dying = child
    child = undefined
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return
    const gone = new Promise(resolve => dying.once('exit', resolve))
    dying.kill('SIGKILL')
    await gone
  }
  t.teardown(async () => {
    await kill()
    rmSync(directory, { recursive: true, force: true })
  })
  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    freeze: () => { child?.kill('SIGSTOP') },
    thaw: () => { child?.kill('SIGCONT') },
    kill,
    restart: async () => {
      await kill()
      await start()
    }
  }
}

/** Sends one inline command and returns the answer. */
export async function ask (port: number, command: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let text = ''
    // Sentinel has no QUIT, and closes the connection with the client.
    const socket = connect(port, '127.0.0.1', () => { socket.end(`${command}\r\nQUIT\r\n`) })
    socket
      .setEncoding('utf8')
      .on('data', chunk => {
        text += String(chunk)
      })
      .once('close', () => {
        resolve(text)
      })
      .once('error', reject)
  })
}

/** Resolves when the Redis on `port` accepts commands. */
export async function answers (port: number): Promise<void> {
  await says(port, 'PING', /PONG|NOAUTH/)
}

/** Repeats a command until the answer matches. */
export async function says (port: number, command: string, pattern: RegExp): Promise<string> {
  let answer = ''
  for (let tries = 0; tries < 6000; tries++) {
    answer = await ask(port, command).catch(() => '')
    if (pattern.test(answer)) return answer
    await sleep(20)
  }
  throw new Error(`redis-server on port ${port} never answered ${command} with ${String(pattern)}: ${answer}`)
}
