/** `npm run tools`: measures `tools/call` and `tools/list` with 1, 100 and 1,000 registered tools. */
import { parseArgs } from 'node:util'
import { byKey, ourSettings } from './contenders.js'
import { median } from './figures.js'
import { load } from './load.js'
import { start } from './process.js'
import { jobs, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' }
  }
})
const sizes = [1, 100, 1000]
const samples = []

for (let round = 0; round < Number(options.rounds); round++) {
  for (let turn = 0; turn < sizes.length; turn++) {
    const size = sizes[(turn + round) % sizes.length]
    samples.push(...(await measure(size)).map(sample => ({ ...sample, size })))
  }
}
for (const era of ['2025', '2026']) {
  for (const method of ['tools/call', 'tools/list']) {
    const chosen = samples.filter(sample => sample.era === era && sample.method === method)
    const of = (size, field) => median(chosen.filter(sample => sample.size === size).map(sample => sample[field]))
    for (const size of sizes) {
      console.log(`${era} ${method} ${String(size).padStart(5)} tools ${of(size, 'rate').toFixed(0).padStart(7)} req/s  ${of(size, 'cpu').toFixed(0).padStart(5)} us CPU  ${(of(size, 'rate') / of(1, 'rate')).toFixed(2)}x  ${(of(size, 'rate') * of(size, 'bytes') / 2 ** 20).toFixed(1)} MB/s`)
    }
  }
}

async function measure (size) {
  const server = await start('ours.js', { ...ourSettings, crowd: size - 1, options: { builtIns: false } })
  const measured = []
  try {
    for (const era of ['2025', '2026']) {
      for (const [method, params] of [['tools/call', jobs.echo], ['tools/list', undefined]]) {
        const request = requestOf({ era, method, params, credential: byKey })
        const bytes = await verify(server.url, request, method === 'tools/call' ? 'echo' : 'list')
        const seconds = Number(options.seconds)
        await load(server.url, request, { seconds: Math.min(3, seconds) })
        const before = await server.ask('cpu')
        const { rate, requests } = await load(server.url, request, { seconds })
        const after = await server.ask('cpu')
        measured.push({
          era,
          method,
          rate,
          bytes,
          cpu: (after.user + after.system - before.user - before.system) / requests
        })
      }
    }
  } finally {
    await server.stop()
  }
  return measured
}
