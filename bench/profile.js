/** `npm run profile`: profiles our server under load: its processor time, or its allocations. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { printAllocations, printProfile } from './analyse.js'
import { contenders } from './contenders.js'
import { load } from './load.js'
import { start } from './process.js'
import { jobs, openSession, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'ours-2025' },
    job: { type: 'string', default: 'whoami' },
    seconds: { type: 'string', default: '8' },
    /** Profile allocations instead of processor time. */
    allocations: { type: 'boolean', default: false },
    /** Only allocations that survive a minor collection, because those cost time. */
    survivors: { type: 'boolean', default: false },
    rows: { type: 'string', default: '40' },
    /** Keep the .cpuprofile in this directory, for a browser's developer tools. */
    keep: { type: 'string' }
  }
})
const contender = contenders.find(({ id }) => id === options.only)
if (contender === undefined) throw new Error(`--only is one of ${contenders.map(({ id }) => id).join(', ')}`)

const { file, settings, era, credential, inSession = false } = contender
const seconds = Number(options.seconds)
const rows = Number(options.rows)
await (options.allocations || options.survivors ? profileAllocations() : profileTime())

async function profileTime () {
  const directory = options.keep ?? mkdtempSync(join(tmpdir(), 'bench-profile-'))
  const server = await start(file, settings, { nodeOptions: ['--cpu-prof', '--cpu-prof-interval', '500', `--cpu-prof-dir=${directory}`] })
  const requests = await warmThenLoad(server)
  await server.stop()
  const newest = readdirSync(directory).filter(name => name.endsWith('.cpuprofile')).sort().at(-1)
  printProfile(join(directory, newest), { requests, seconds, rows })
  if (options.keep === undefined) rmSync(directory, { recursive: true })
}

async function profileAllocations () {
  const server = await start(file, settings)
  const requests = await warmThenLoad(
    server,
    () => server.ask(options.survivors ? 'sample-survivors' : 'sample-allocations')
  )
  printAllocations(await server.ask('allocations'), { requests, rows })
  await server.stop()
}

async function warmThenLoad (server, atStart = async () => {}) {
  const session = inSession ? await openSession(server.url, credential) : undefined
  const request = requestOf({ era, params: jobs[options.job], credential, session })
  await verify(server.url, request, options.job)
  await load(server.url, request, { seconds: 4 })
  await atStart()
  const { requests } = await load(server.url, request, { seconds })
  console.log(`${options.only} ${options.job}: ${requests} requests`)
  return requests
}
