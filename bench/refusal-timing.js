/**
 * Checks whether the time of a 401 reveals why a managed key was refused. `node refusal-timing.js [rounds]`,
 * after `npm run build`.
 *
 * Sends one request at a time over loopback, with the keys in a new random order in each turn. The times of
 * any two keys differ slightly, even of unknown keys (because of their bytes, or their place in a table). So
 * eight unknown keys measure the normal spread. A kind of key stands out if it is further from their mean
 * than another unknown key would be (Student's t with seven degrees of freedom, a prediction interval at 5 %
 * over all kinds together).
 */
import { randomInt } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../dist/src/app.js'
import { createKey, revokeKey, rotateKey, setDisabled } from '../dist/src/api-keys/changes.js'
import { formatKeyFile } from '../dist/src/api-keys/record.js'
import { mintKey } from '../dist/src/api-keys/format.js'
import { commandLine } from '../dist/src/ledger/records.js'
import { Ledger } from '../dist/src/ledger/ledger.js'

const rounds = Number(process.argv[2] ?? 60)
const turnsPerRound = 100
const controls = 8
/**
 * The two-sided critical value of Student's t with 7 degrees of freedom, at 5 % over seven kinds
 * (Bonferroni).
 */
const critical = 3.75
const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

const { records, kinds, revokedInState } = keysOfEveryKind()
const directory = await mkdtemp(join(tmpdir(), 'refusal-timing-'))
try {
  const path = join(directory, 'api-keys.json')
  await writeFile(path, formatKeyFile(records), { mode: 0o600 })
  const stateDir = join(directory, 'state')
  const state = await Ledger.open({ directory: stateDir })
  await state.revokeKey(revokedInState, commandLine)
  await state.close()
  const app = await buildApp({
    env: {
      API_KEYS_FILE: path,
      STATE_DIR: stateDir,
      LOG_LEVEL: 'silent',
      PREAUTH_RATE_LIMIT_MAX: '1000000000'
    }
  })
  const url = new URL('/mcp', await app.listen({ host: '127.0.0.1', port: 0 }))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async key => await timeOf(url, agent, key)
  for (let i = 0; i < 300; i++) for (const kind of kinds) await ask(kind.key)
  const medians = new Map(kinds.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const times = new Map(kinds.map(({ name }) => [name, []]))
    for (let turn = 0; turn < turnsPerRound; turn++) {
      for (const { name, key } of shuffled(kinds)) times.get(name).push(await ask(key))
    }
    for (const [name, list] of times) medians.get(name).push(median(list))
  }
  report(medians)
  agent.destroy()
  await app.close()
} finally {
  await rm(directory, { recursive: true })
}

/**
 * A thousand keys, including one of each kind. A caller of a kind always sends the same `key`, to keep caches
 * warm.
 */
function keysOfEveryKind () {
  const options = { name: 'bench', owner: 'ada', scopes: ['files:read'] }
  const make = extra => createKey([], { ...options, ...extra }).result
  const others = Array.from({ length: 1000 }, () => make().record)
  const [revoked, disabled, expired, replaced, elsewhere, inState, known] = Array.from({ length: 7 }, () => make())
  return {
    records: [
      ...others,
      revokeKey([revoked.record], revoked.record.id).result,
      setDisabled([disabled.record], disabled.record.id, true).result,
      { ...expired.record, expiresAt: new Date(Date.now() - 1000).toISOString() },
      rotateKey([replaced.record], replaced.record.id, 0).result.record,
      { ...elsewhere.record, cidrs: ['10.0.0.0/8', '192.168.0.0/16'] },
      inState.record,
      known.record
    ],
    revokedInState: inState.record.id,
    kinds: [
      ...Array.from({ length: controls }, (_, number) => ({ name: `unknown ${number + 1}`, key: mintKey().key })),
      { name: 'right id, wrong secret', key: mintKey(known.record.id).key },
      { name: 'expired', key: expired.key },
      { name: 'revoked', key: revoked.key },
      { name: 'revoked in STATE_DIR', key: inState.key },
      { name: 'disabled', key: disabled.key },
      { name: 'replaced', key: replaced.key },
      { name: 'out of its network', key: elsewhere.key }
    ]
  }
}

/** Microseconds from the request to the end of its answer. */
function timeOf (url, agent, key) {
  return new Promise((resolve, reject) => {
    const headers = { 'x-api-key': key, 'content-type': 'application/json', 'content-length': body.length }
    const begun = process.hrtime.bigint()
    request(url, { method: 'POST', agent, headers }, response => {
      if (response.statusCode !== 401) reject(new Error(`answered ${response.statusCode}`))
      response.resume().once('end', () => { resolve(Number(process.hrtime.bigint() - begun) / 1000) })
    }).once('error', reject).end(body)
  })
}

/** Reports the distance of each kind from the unknown keys, and whether it is within the normal spread. */
function report (medians) {
  // A slow round affects all of its figures equally.
  const overall = Array.from({ length: rounds }, (_, round) => mean([...medians.values()].map(list => list[round])))
  const figures = [...medians].map(([name, list]) => ({
    name,
    time: mean(list.map((value, round) => value - overall[round]))
  }))
  const unknown = figures.slice(0, controls).map(({ time }) => time)
  const centre = mean(unknown)
  const spread = Math.sqrt(unknown.reduce((sum, time) => sum + (time - centre) ** 2, 0) / (controls - 1))
  const scale = spread * Math.sqrt(1 + 1 / controls)
  console.log(`${rounds} rounds of ${turnsPerRound} requests per key; a refusal takes ${mean(overall).toFixed(1)} us, and unknown keys differ by ${spread.toFixed(2)} us (standard deviation)\n`)
  console.log('kind                     difference        t')
  for (const { name, time } of figures) {
    const [difference, t] = [(time - centre).toFixed(2), ((time - centre) / scale).toFixed(1)]
    console.log(`${name.padEnd(24)} ${difference.padStart(7)} us ${t.padStart(6)}`)
  }
  const worst = Math.max(...figures.slice(controls).map(({ time }) => Math.abs(time - centre) / scale))
  console.log(worst < critical
    ? `\nNothing beyond noise: every kind's |t| is below ${critical}.`
    : `\nSomething stands out: a |t| of ${worst.toFixed(1)}, and noise stays below ${critical}.`)
}

function mean (list) {
  return list.reduce((sum, value) => sum + value, 0) / list.length
}

function median (list) {
  const sorted = [...list].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function shuffled (list) {
  const left = [...list]
  return Array.from(list, () => left.splice(randomInt(left.length), 1)[0])
}
