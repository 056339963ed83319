/** `npm run heap`: compares the heap after 500,000 calls with the start, both after garbage collection. */
import { parseArgs } from 'node:util'
import { contenders } from './contenders.js'
import { load } from './load.js'
import { start } from './process.js'
import { jobs, requestOf } from './work.js'

const { values: options } = parseArgs({
  options: {
    calls: { type: 'string', default: '500000' },
    /** Calls before the first measurement, to fill caches and slots and compile functions. */
    'warm-up': { type: 'string', default: '50000' }
  }
})
const allowed = 0.1
/** Every kind of request, in turn. */
const requests = contenders
  .filter(({ ours }) => ours)
  .flatMap(({ era, credential }) => Object.values(jobs).map(params => requestOf({ era, params, credential })))

const { file, settings } = contenders.find(({ ours }) => ours)
const server = await start(file, settings, { nodeOptions: ['--expose-gc'] })
await callTimes(Number(options['warm-up']))
const before = await server.ask('memory')
show(0, before)
const total = Number(options.calls)
let calls = 0
while (calls < total) {
  calls += await callTimes(Math.min(total - calls, total / 5))
  show(calls, await server.ask('memory'))
}
const after = await server.ask('memory')
await server.stop()

const change = after.heapUsed / before.heapUsed - 1
console.log(`after ${calls.toLocaleString('en')} calls the heap is ${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)} % of what it was`)
if (change > allowed) process.exitCode = 1

/** Makes at least `count` calls. The load generators only take a duration. */
async function callTimes (count) {
  let done = 0
  for (let turn = 0; done < count; turn++) {
    const figures = await load(server.url, requests[turn % requests.length], { seconds: 2 })
    done += figures.requests
  }
  return done
}

function show (calls, { heapUsed, external, rss }) {
  const mb = bytes => `${(bytes / 2 ** 20).toFixed(1)} MB`.padStart(9)
  console.log(`${calls.toLocaleString('en').padStart(9)} calls   heap ${mb(heapUsed)}   external ${mb(external)}   resident ${mb(rss)}`)
}
