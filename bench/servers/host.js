/** The server's side of process.js: its settings, word that it listens, answers to questions, a clean end. */
import { setTimeout as pause } from 'node:timers/promises'

export const settings = JSON.parse(process.env.BENCH_SETTINGS ?? '{}')

/** Tells the parent that `port` is open. Ends the process on SIGTERM, after `close`. */
export function ready (port, close = async () => {}) {
  process.send?.({ topic: 'ready', port })
  process.once('SIGTERM', async () => {
    await Promise.race([Promise.resolve(close()).catch(() => {}), pause(1000)])
    process.exit(0)
  })
  process.once('disconnect', () => process.exit(1))
  process.on('message', async ({ question }) => {
    if (question === 'memory') process.send({ topic: 'memory', ...(await settledMemory()) })
    if (question === 'cpu') process.send({ topic: 'cpu', ...process.cpuUsage() })
  })
}

/** After garbage collection where `--expose-gc` was given. */
async function settledMemory () {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    await pause(50)
  }
  return process.memoryUsage()
}
