/** Starts a server in a separate process, and stops it again. */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const directory = dirname(new URL(import.meta.url).pathname)
const running = new Set()
process.once('exit', () => { for (const child of running) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/**
 * Starts `servers/<file>` with `settings`, and resolves once it listens. Standard output goes to a file, as
 * for a service. `ask` sends the server a question and resolves to its answer.
 */
export async function start (file, settings = {}, { nodeOptions = [] } = {}) {
  const room = mkdtempSync(join(tmpdir(), 'bench-'))
  const [out, err] = ['out.log', 'err.log'].map(name => openSync(join(room, name), 'a'))
  const child = spawn(process.execPath, [...nodeOptions, join(directory, 'servers', file)], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', BENCH_SETTINGS: JSON.stringify(settings) },
    stdio: ['ignore', out, err, 'ipc']
  })
  closeSync(out)
  closeSync(err)
  running.add(child)
  const ended = new Promise(resolve => child.once('exit', resolve))
  ended.then(() => { running.delete(child) })

  const { port } = await within(30_000, answer('ready')).catch(async error => {
    child.kill('SIGKILL')
    await ended
    const told = readFileSync(join(room, 'err.log'), 'utf8').slice(-2000)
    rmSync(room, { recursive: true })
    throw new Error(`${file} did not start: ${error.message}\n${told}`)
  })

  return {
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    pid: child.pid,
    log: () => readFileSync(join(room, 'out.log'), 'utf8'),
    async ask (question) {
      const reply = answer(question)
      child.send({ question })
      return await within(120_000, reply)
    },
    async stop () {
      child.kill('SIGTERM')
      const kill = setTimeout(() => child.kill('SIGKILL'), 5000)
      await ended
      clearTimeout(kill)
      rmSync(room, { recursive: true })
    }
  }

  function answer (topic) {
    return new Promise((resolve, reject) => {
      const listener = message => {
        if (message.topic !== topic) return
        child.off('message', listener)
        resolve(message)
      }
      child.on('message', listener)
      ended.then(() => reject(new Error('the process ended')))
    })
  }
}

async function within (ms, promise) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms) })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
