/** `npm run profile`: our server under load with `node --cpu-prof`, and where its time went. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { printProfile } from './analyse.js'
import { contenders } from './contenders.js'
import { load } from './load.js'
import { start } from './process.js'
import { jobs, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'ours-2025' },
    job: { type: 'string', default: 'whoami' },
    seconds: { type: 'string', default: '8' },
    rows: { type: 'string', default: '40' },
    /** Leaves the .cpuprofile in this directory, for a browser's developer tools. */
    keep: { type: 'string' }
  }
})
const contender = contenders.find(({ id }) => id === options.only)
if (contender === undefined) throw new Error(`--only is one of ${contenders.map(({ id }) => id).join(', ')}`)

const directory = options.keep ?? mkdtempSync(join(tmpdir(), 'bench-profile-'))
const { file, settings, era, credential } = contender
const server = await start(file, settings, { nodeOptions: ['--cpu-prof', '--cpu-prof-interval', '500', `--cpu-prof-dir=${directory}`] })
const request = requestOf({ era, params: jobs[options.job], credential })
await verify(server.url, request, options.job)
const seconds = Number(options.seconds)
await load(server.url, request, { seconds: 4 })
const { requests } = await load(server.url, request, { seconds })
await server.stop()

const newest = readdirSync(directory).filter(name => name.endsWith('.cpuprofile')).sort().at(-1)
console.log(`${options.only} ${options.job}: ${requests} requests`)
printProfile(join(directory, newest), { requests, seconds, rows: Number(options.rows) })
if (options.keep === undefined) rmSync(directory, { recursive: true })
