/**
 * `npm run streams`: holds 10,000 idle streams, measures the memory of each, and checks that each gets
 * changes.
 */
import { parseArgs } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { apiKey } from './work.js'
import { ourSettings } from './contenders.js'
import { hold } from './holder.js'
import { start } from './process.js'

const { values: options } = parseArgs({
  options: {
    streams: { type: 'string', default: '10000' },
    kind: { type: 'string', default: 'listen' },
    /** Seconds that the streams stay idle. After 15, each must have received a keep-alive comment. */
    seconds: { type: 'string', default: '20' }
  }
})
const count = Number(options.streams)
const keys = Array.from({ length: 20 }, (_, number) => number === 0 ? apiKey : `${apiKey}-${number}`)
const room = Math.ceil(count / keys.length)
const kinds = {
  listen: { options: { maxStreamsPerPrincipal: room } },
  get: { options: { maxStreamsPerPrincipal: room, sessions: { maxPerPrincipal: room, max: count } } }
}
const kind = kinds[options.kind]
if (kind === undefined) throw new Error(`--kind is one of ${Object.keys(kinds).join(', ')}`)

const server = await start('ours.js', { ...ourSettings, keys, ...kind }, { nodeOptions: ['--expose-gc'] })
try {
  // Opens a few streams first, so that one-time allocations are not counted.
  await (await hold({ server, kind: options.kind, keys, count: 100 })).release()
  await pause(500)
  const before = await server.ask('memory')
  const began = performance.now()
  const held = await hold({ server, kind: options.kind, keys, count })
  const opened = performance.now() - began
  const after = await server.ask('memory')
  console.log(`${count.toLocaleString('en')} ${options.kind} streams opened in ${(opened / 1000).toFixed(1)} s`)
  for (const field of ['rss', 'heapUsed', 'external']) {
    console.log(`${field.padEnd(9)} ${((after[field] - before[field]) / count / 1024).toFixed(1).padStart(6)} KB per stream   (${(before[field] / 2 ** 20).toFixed(0)} to ${(after[field] / 2 ** 20).toFixed(0)} MB)`)
  }
  const idle = await server.ask('cpu')
  await pause(Number(options.seconds) * 1000)
  const { user, system } = await server.ask('cpu')
  console.log(`idle for ${options.seconds} s: ${((user + system - idle.user - idle.system) / 1e4 / Number(options.seconds)).toFixed(1)} % of a core, ${held.alive()} alive, ${held.beaten()} kept alive by a comment`)

  const told = performance.now()
  server.ask('change')
  await held.heard('list_changed')
  console.log(`a change reached all of them in ${(performance.now() - told).toFixed(0)} ms`)
  if (held.alive() !== count) process.exitCode = 1

  await held.release()
  await pause(1000)
  const left = await server.ask('memory')
  console.log(`afterwards: heap ${(left.heapUsed / 2 ** 20).toFixed(0)} MB, before ${(before.heapUsed / 2 ** 20).toFixed(0)} MB${options.kind === 'get' ? ' (sessions outlive their streams until they are idle for long)' : ''}`)
} finally {
  await server.stop()
}
