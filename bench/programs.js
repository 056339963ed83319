/** Starts programs, waits for their output, ends them, and reads their processor time. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const children = new Set()
process.once('exit', () => { for (const child of children) child.kill('SIGKILL') })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** Starts `file` with nothing of our environment but `PATH`. Its standard output is read and dropped. */
export function run (file, args, { cwd, env = {} } = {}) {
  const child = spawn(file, args, { cwd, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.resume()
  child.stderr.resume()
  children.add(child)
  child.once('exit', () => { children.delete(child) })
  return child
}

/** The output of `child` on a stream, once it matches `pattern`. */
export async function said (child, stream, pattern) {
  let text = ''
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => { reject(new Error(`ended with ${code}: ${text}`)) })
    child[stream].on('data', data => {
      text += data
      const match = pattern.exec(text)
      if (match !== null) resolve(match)
    })
  })
}

/** Ends a child: TERM, and KILL after 15 seconds. */
export async function ended (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  const kill = pause(15_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'))
  await Promise.race([exit, kill.then(() => exit)])
}

/** The processor time of each process so far, in microseconds: `alone`, and `withChildren`. Works only on Linux. */
export function usage () {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(statOf)
  const alone = pid => sum(processes.filter(one => one.pid === pid).map(one => one.us))
  const childrenOf = pid => processes.filter(one => one.parent === pid)
  const withChildren = pid => alone(pid) + sum(childrenOf(pid).map(one => withChildren(one.pid)))
  return { alone, withChildren }
}

/** proc(5): fields 4, 14 and 15, after the name in brackets. A tick is 10 ms. */
function statOf (name) {
  try {
    const fields = readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')
    return [{ pid: Number(name), parent: Number(fields[1]), us: (Number(fields[11]) + Number(fields[12])) * 10_000 }]
  } catch {
    return []
  }
}

export async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return port
}

export function sum (values) {
  return values.reduce((total, value) => total + value, 0)
}

export function median (values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}
