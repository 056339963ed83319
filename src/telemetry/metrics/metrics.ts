/** Metrics of decisions, named after OpenTelemetry's conventions for MCP where those exist. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { refusals } from '../../errors.js'
import { version } from '../../version.js'
import type { Decision, Observer } from '../decision.js'
import { Gathered } from '../gathered.js'
import { methods, revisions } from '../known-words.js'
import { measures, type Measures } from '../measures.js'
import { Counter, Histogram } from './instruments.js'
import { headOf, type Labels, sample } from './text-format.js'

/** Histogram bounds in seconds, from the conventions. */
const bounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
const ours = 'fastify_mcp_auth_'

/** The form of our own reasons. Anything else comes from a caller and counts as `other`. */
const wordForm = /^[a-z][a-z-]{1,40}$/

export class Metrics implements Observer {
  readonly #measures: Measures
  readonly #gathered = new Gathered(
    decision => { this.#count(decision) },
    error => { this.#onFault(error) }
  )

  readonly #onFault: (error: unknown) => void
  readonly #delay = monitorEventLoopDelay({ resolution: 20 })
  readonly #operations = new Histogram(
    'mcp_server_operation_duration_seconds',
    'Duration of MCP requests and notifications.',
    bounds
  )

  readonly #sessions = new Histogram(
    'mcp_server_session_duration_seconds',
    'Duration of sessions.',
    bounds
  )

  readonly #decisions = new Counter(`${ours}decisions_total`, 'Decisions, by kind and outcome.')
  readonly #refusals = new Counter(
    `${ours}refusals_total`,
    'Refused or failed requests and calls, by reason.'
  )

  readonly #limits = new Counter(
    `${ours}limited_total`,
    'Requests and calls refused by a limit, by layer.'
  )

  readonly #minted = new Counter(`${ours}tokens_minted_total`, 'Created tokens.')
  readonly #revoked = new Counter(
    `${ours}revocations_total`,
    'Revocations of tokens and subjects.'
  )

  /** `onFault` is called once, with the first error of counting a decision. */
  constructor (measures: Measures, onFault: (error: unknown) => void = () => {}) {
    this.#measures = measures
    this.#onFault = onFault
    this.#delay.enable()
    for (const counter of [this.#minted, this.#revoked]) counter.add('', none, 0)
  }

  note (decision: Decision): void {
    this.#gathered.add(decision)
  }

  #count (decision: Decision): void {
    const { kind, outcome, code, why = '', principal } = decision
    this.#decisions.add(`${kind} ${outcome}`, () => ({ kind, outcome }))
    if (code !== undefined) {
      const reason = wordForm.test(why) ? why : 'other'
      this.#refusals.add(reason, () => ({ reason }))
    }
    switch (kind) {
      case 'called':
        return this.#noteOperation(decision)
      case 'limited':
        this.#limits.add(layerOf(decision), () => ({ layer: layerOf(decision) }))
        if (decision.method !== undefined) this.#noteOperation(decision)
        return
      case 'token-minted':
        // Decisions without a caller are from commands. Every server reports them, so they are not counted.
        if (principal !== undefined) this.#minted.add('', none)
        return
      case 'grant-revoked':
      case 'token-revoked':
      case 'subject-revoked':
        if (principal !== undefined) this.#revoked.add('', none)
        return
      case 'session-closed':
        if (decision.ms !== undefined) this.#sessions.record(decision.ms / 1000, '', none)
    }
  }

  #noteOperation ({ method = '', itemKind, item = '', result, revision = '', ms = 0 }: Decision): void {
    const name = methods.has(method) ? method : 'other'
    const isNamed = itemKind === 'tool' || itemKind === 'prompt'
    const itemName = isNamed && !this.#measures.isItem(itemKind, item) ? 'other' : item
    const version = revisions.has(revision) ? revision : ''
    // Several codes have the same `error_type`: a key per code would create several series with the same labels.
    const errorType = errorTypeOf(result)
    const keyWith = (version: string): string => `${name} ${version} ${errorType} ${isNamed ? itemName : ''}`
    const labelsWith = (version: string) => (): Labels => ({
      mcp_method_name: name,
      mcp_protocol_version: version,
      gen_ai_operation_name: itemKind === 'tool' ? 'execute_tool' : '',
      gen_ai_tool_name: itemKind === 'tool' ? itemName : '',
      gen_ai_prompt_name: itemKind === 'prompt' ? itemName : '',
      error_type: errorType
    })
    // A caller chooses the version, and must not use up the series of the tools that others call.
    this.#operations.record(ms / 1000, keyWith(version), labelsWith(version), () => {
      return { key: keyWith('other'), labels: labelsWith('other') }
    })
  }

  /** All metrics as text. */
  text (): string {
    this.#gathered.flush()
    const instruments = [
      this.#operations,
      this.#sessions,
      this.#decisions,
      this.#refusals,
      this.#limits,
      this.#minted,
      this.#revoked
    ]
    return [...instruments.map(instrument => instrument.text()), this.#measured(), this.#process()].join('')
  }

  close (): void {
    this.#gathered.flush()
    this.#delay.disable()
  }

  #measured (): string {
    let text = ''
    let last: string | undefined
    for (const [name, labels, value] of this.#measures.read()) {
      const [type, help] = measures[name]
      if (name !== last) text += headOf(ours + name, type, help)
      text += sample(ours + name, labels, value)
      last = name
    }
    return text
  }

  #process (): string {
    const { rss, heapUsed, heapTotal } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const delay =
      headOf(`${ours}event_loop_delay_seconds`, 'gauge', 'Delay of the event loop since the last scrape.') +
      [50, 90, 99]
        .map(percent =>
          sample(
            `${ours}event_loop_delay_seconds`,
            { stat: `p${percent}` },
            seconds(this.#delay.percentile(percent))
          )
        )
        .join('') +
      sample(`${ours}event_loop_delay_seconds`, { stat: 'max' }, seconds(this.#delay.max))
    this.#delay.reset()
    const gauge = (name: string, help: string, value: number, labels: Labels = {}): string =>
      headOf(name, 'gauge', help) + sample(name, labels, value)
    return (
      delay +
      gauge(`${ours}heap_used_bytes`, 'Heap in use, in bytes.', heapUsed) +
      gauge(`${ours}heap_size_bytes`, 'Size of the heap, in bytes.', heapTotal) +
      gauge(`${ours}build_info`, 'Always 1. The version of the server.', 1, { version }) +
      gauge('process_resident_memory_bytes', 'Resident memory, in bytes.', rss) +
      gauge(
        'process_start_time_seconds',
        'Start time of the process, in seconds since the epoch.',
        Math.round(Date.now() / 1000 - process.uptime())
      ) +
      headOf('process_cpu_seconds_total', 'counter', 'Processor time, in seconds.') +
      sample('process_cpu_seconds_total', {}, (user + system) / 1e6)
    )
  }
}

const none = (): Labels => ({})

/** `monitorEventLoopDelay` has no value before its first sample. */
function seconds (nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0
}

/** `error.type`: the JSON-RPC error code as text, or `tool_error`. */
function errorTypeOf (result: string | undefined): string {
  if (result === 'ok') return ''
  if (result === 'tool-error') return 'tool_error'
  const refusal = result === undefined ? undefined : refusals.get(result)
  return refusal === undefined ? 'cut' : String(refusal.rpcCode)
}

/** The limit that refused: of an address, a caller or a tool, or of open streams or concurrent calls. */
function layerOf ({ why = '' }: Decision): string {
  return layers[why] ?? 'other'
}

const layers: Readonly<Record<string, string>> = {
  'address-limit': 'address',
  'address-locked': 'address',
  'user-limit': 'user',
  'tool-limit': 'tool',
  'too-many-calls': 'calls',
  'too-many-streams': 'streams'
}
