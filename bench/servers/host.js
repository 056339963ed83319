/**
 * The server's side of process.js: reads settings, reports that it listens, answers questions, and shuts
 * down.
 */
import { Session } from 'node:inspector/promises'
import { setTimeout as pause } from 'node:timers/promises'

export const settings = JSON.parse(process.env.BENCH_SETTINGS ?? '{}')

/** Reports `port` to the parent. On SIGTERM, calls `close` and exits. `change` changes the list of tools. */
export function ready (port, close = async () => {}, change = () => {}) {
  process.send?.({ topic: 'ready', port })
  process.once('SIGTERM', async () => {
    await Promise.race([Promise.resolve(close()).catch(() => {}), pause(1000)])
    process.exit(0)
  })
  process.once('disconnect', () => process.exit(1))
  process.on('message', async ({ question }) => {
    if (question === 'memory') process.send({ topic: 'memory', ...(await settledMemory()) })
    if (question === 'change') process.send({ topic: 'change', done: change() })
    if (question === 'sample-allocations') process.send({ topic: question, done: await sampleAllocations(true) })
    if (question === 'sample-survivors') process.send({ topic: question, done: await sampleAllocations(false) })
    if (question === 'allocations') process.send({ topic: question, ...(await allocations()) })
    if (question === 'cpu') process.send({ topic: 'cpu', ...process.cpuUsage() })
  })
}

/** The memory in use, after a garbage collection if `--expose-gc` is set. */
async function settledMemory () {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    await pause(50)
  }
  return process.memoryUsage()
}

const inspector = new Session()

/**
 * Without `minor`, only objects that survived a minor collection, which cause most of the collection time.
 */
async function sampleAllocations (minor) {
  inspector.connect()
  await inspector.post(
    'HeapProfiler.startSampling',
    { samplingInterval: 16384, includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: minor }
  )
}

async function allocations () {
  const { profile } = await inspector.post('HeapProfiler.stopSampling')
  inspector.disconnect()
  return profile
}
