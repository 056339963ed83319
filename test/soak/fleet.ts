/** Four servers with one Redis on loopback, and the faults that the soak test causes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/ports.js'
import { answers, ask, spawnRedis } from '../support/redis.js'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Instance {
  url: string
  child: ChildProcess
  /** The number of lines on standard error and in the log. */
  lines: number
}

export class SoakFleet {
  readonly instances: Instance[] = []
  readonly #env: Record<string, string>
  readonly #directory = mkdtempSync(join(tmpdir(), 'soak-'))
  #redis: ChildProcess | undefined
  #port = 0

  constructor (env: Record<string, string>) {
    this.#env = env
  }

  async start (size: number): Promise<void> {
    this.#port = await freePort()
    await this.#startRedis()
    await Promise.all(
      Array.from({ length: size }, async (_, n) => {
        this.instances[n] = await this.#startInstance(n)
      })
    )
  }

  async killRedis (): Promise<void> {
    this.#redis?.kill('SIGKILL')
    await sleep(3000)
    await this.#startRedis()
  }

  async freezeRedis (): Promise<void> {
    this.#redis?.kill('SIGSTOP')
    await sleep(3000)
    this.#redis?.kill('SIGCONT')
  }

  async cutConnections (): Promise<void> {
    await ask(this.#port, 'CLIENT KILL TYPE normal SKIPME yes').catch(() => '')
  }

  async fillMemory (): Promise<void> {
    await ask(this.#port, 'CONFIG SET maxmemory 1')
    await sleep(3000)
    await ask(this.#port, 'CONFIG SET maxmemory 0')
  }

  async killInstance (n: number): Promise<void> {
    this.instances[n]?.child.kill('SIGKILL')
    const made = await this.#startInstance(n)
    this.instances[n] = made
  }

  /** The connections to Redis, including that of this query. */
  async connections (): Promise<number> {
    return Number(/connected_clients:(\d+)/.exec(await ask(this.#port, 'INFO clients').catch(() => ''))?.[1] ?? NaN)
  }

  async keys (): Promise<number> {
    return Number(/:(\d+)/.exec(await ask(this.#port, 'DBSIZE').catch(() => ''))?.[1] ?? NaN)
  }

  /** Resident memory of each instance, in MB. */
  memory (): number[] {
    return this.instances.map(({ child }) => {
      try {
        return Math.round(
          Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024
        )
      } catch {
        return NaN
      }
    })
  }

  stop (): void {
    for (const { child } of this.instances) child.kill('SIGKILL')
    this.#redis?.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #startRedis (): Promise<void> {
    this.#redis = spawnRedis(this.#port, this.#directory)
    await answers(this.#port)
  }

  async #startInstance (n: number): Promise<Instance> {
    const { PATH = '', HOME = '' } = process.env
    const port = await freePort()
    const env = {
      PATH,
      HOME,
      ...this.#env,
      PORT: String(port),
      REDIS_URL: `redis://127.0.0.1:${this.#port}`,
      STATE_DIR: join(this.#directory, `state-${n}`),
      LOG_LEVEL: 'warn'
    }
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, 'start'], {
      cwd: this.#directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const instance: Instance = { url: '', child, lines: 0 }
    child.stdout.on('data', chunk => { instance.lines += String(chunk).split('\n').length - 1 })
    instance.url = await new Promise<string>((resolve, reject) => {
      let text = ''
      child.stderr.on('data', chunk => {
        text += String(chunk)
        // Builds the URL itself, because the line has the public address.
        if (/^Ready: /m.test(text)) resolve(`http://127.0.0.1:${port}/mcp`)
      })
      child.once('exit', () => { reject(new Error(`an instance ended: ${text}`)) })
    })
    return instance
  }
}
