/**
 * `npx tsx test/deploy/dashboard.ts`: draws `docs/images/dashboard.svg`, with the queries of
 * `deploy/grafana.json` and the answers of a real Prometheus that scrapes a real server.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildApp } from '../../src/app.js'
import { defineTool } from '../../src/tools/tool.js'
import { freePort } from '../support/ports.js'
import { say } from '../support/terminal.js'
import { draw, type Panel, type Series } from './draw.js'

const seconds = 80
const key = 'a-key-of-the-dashboard-0001'
const root = new URL('../../', import.meta.url)
const [port, metricsPort, prometheusPort] = await Promise.all([freePort(), freePort(), freePort()])
const directory = mkdtempSync(join(tmpdir(), 'dashboard-'))
for (const expires of ['12d', '90d']) {
  await say(['keys', 'create', '--file', 'keys.json', '--name', 'crm', '--expires', expires], directory)
}
const app = await buildApp({
  env: {
    API_KEYS: key,
    API_KEYS_FILE: join(directory, 'keys.json'),
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    RATE_LIMIT_MAX: '1200',
    RATE_LIMIT_WINDOW_MS: '60000',
    LOG_LEVEL: 'silent',
    AUDIT_FILE: '/dev/null'
  },
  tools: [
    defineTool({ name: 'search', handler: async () => { await sleep(20 + 60 * Math.random()); return 'found' } }),
    defineTool({ name: 'report', handler: async () => { await sleep(300 + 900 * Math.random()); return 'written' } }),
    defineTool({
      name: 'convert',
      handler: () => {
        if (Math.random() < 0.3) throw new Error('broken')
        return 'done'
      }
    })
  ]
})
await app.listen({ host: '127.0.0.1', port })
writeFileSync(join(directory, 'prometheus.yml'), JSON.stringify({
  global: { scrape_interval: '1s' },
  scrape_configs: [{ job_name: 'mcp', static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }]
}))
const prometheus = spawn('prometheus', [
  `--config.file=${join(directory, 'prometheus.yml')}`,
  `--storage.tsdb.path=${join(directory, 'data')}`,
  `--web.listen-address=127.0.0.1:${prometheusPort}`
], { stdio: 'ignore' })

const startedAt = Date.now()
await work()
const svg = draw(await panels())
writeFileSync(new URL('docs/images/dashboard.svg', root), svg)
prometheus.kill('SIGTERM')
await once(prometheus, 'exit')
rmSync(directory, { recursive: true })
await app.close()

/** Sends calls of several kinds, most of them in the middle of the run, and guesses keys for a while. */
async function work (): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    const many = 4 + Math.round(14 * Math.sin(Math.PI * second / seconds))
    for (let call = 0; call < many; call++) {
      const name = ['search', 'search', 'search', 'convert', 'report', 'nothing-here'][Math.trunc(Math.random() * 6)]
      post(key, 'tools/call', { name, arguments: {} })
    }
    post(key, 'tools/list', {})
    const guesses = second > seconds * 0.4 && second < seconds * 0.65 ? 3 : 0
    for (let guess = 0; guess < guesses; guess++) post(`guess-${second}-${guess}`, 'tools/list', {})
    await sleep(1000)
  }
}

function post (credential: string, method: string, params: object): void {
  fetch(`http://127.0.0.1:${port}/mcp`, {
    method: 'POST',
    headers: { 'x-api-key': credential, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  }).then(async answer => await answer.text(), () => {})
}

async function panels (): Promise<Panel[]> {
  const dashboard = JSON.parse(readFileSync(new URL('deploy/grafana.json', root), 'utf8')) as {
    panels: Array<{
      title: string
      type: string
      fieldConfig: { defaults: { unit: string } }
      gridPos: Panel['place']
      targets: Query[]
    }>
  }
  return await Promise.all(dashboard.panels.map(async ({ title, type, fieldConfig, gridPos, targets }) => ({
    title,
    isFigure: type === 'stat',
    unit: fieldConfig.defaults.unit,
    place: gridPos,
    series: (await Promise.all(targets.map(seriesOf))).flat()
  })))
}

interface Query { readonly expr: string, readonly legendFormat: string }

/** The answer of Prometheus. Uses a shorter range for rates, because the run is short. */
async function seriesOf ({ expr, legendFormat }: Query): Promise<Series[]> {
  const query = new URLSearchParams({
    query: expr.replaceAll('[5m]', '[20s]'),
    start: String(startedAt / 1000 + 5),
    end: String(Date.now() / 1000),
    step: '1'
  })
  const answer = await fetch(`http://127.0.0.1:${prometheusPort}/api/v1/query_range?${query}`)
  const { data } = await answer.json() as {
    data: { result: Array<{ metric: Record<string, string>, values: Array<[number, string]> }> }
  }
  return data.result.map(({ metric, values }) => ({
    name: legendFormat.replace(/\{\{(\w+)\}\}/g, (_all, label: string) => metric[label] ?? '').trim(),
    points: values.map(([at, value]) => [at - startedAt / 1000, Number(value)])
  }))
}
