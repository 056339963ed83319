/** Measures: numbers that parts of the server report when metrics are scraped, such as open streams. */

/** Pairs of labels and value, or only a value if there are no labels. */
export type MeasureValue = number | ReadonlyArray<readonly [labels: Readonly<Record<string, string>>, value: number]>

/** All measures. Metrics prefix their names with `fastify_mcp_auth_`. Labels are words from fixed sets. */
export const measures = {
  known_credentials: ['gauge', 'Recently verified credentials, which pass from a locked address.'],
  sessions: ['gauge', 'Open sessions.'],
  streams: ['gauge', 'Open event streams.'],
  calls_in_flight: ['gauge', 'Running calls.'],
  slots: ['gauge', 'Long-lived SDK servers, by era and state.'],
  slot_discards_total: ['counter', 'SDK servers that were discarded after a request, by era.'],
  catalog_items: ['gauge', 'Tools, resources and prompts.'],
  keys: ['gauge', 'Managed API keys, by state.'],
  keys_next_expiry_days: ['gauge', 'Days until the next managed API key expires.'],
  provider_keys_age_seconds: ['gauge', 'Age of the key set of an identity provider, by the position of the provider.'],
  provider_keys_failures_total: ['counter', 'Failed fetches of a key set.'],
  audit_queue_bytes: ['gauge', 'Bytes of audit records that wait to be written.'],
  audit_dropped_total: ['counter', 'Audit records that were dropped.'],
  store_up: ['gauge', '1 if the shared store answers, 0 while it is unavailable.'],
  store_instances: ['gauge', 'Instances that share the store.'],
  config_info: ['gauge', 'Always 1. The digest of the effective settings.']
} as const satisfies Readonly<Record<string, readonly ['gauge' | 'counter', string]>>

export type MeasureName = keyof typeof measures

/**
 * How values with the same labels are combined if several parts report them, such as two endpoints in one app.
 * Default: they are added.
 */
const combined: Readonly<Partial<Record<MeasureName, (one: number, other: number) => number>>> = {
  keys_next_expiry_days: Math.min,
  provider_keys_age_seconds: Math.max,
  store_up: Math.min,
  store_instances: Math.max,
  config_info: Math.max
}

const sum = (one: number, other: number): number => one + other

export class Measures {
  readonly #reads = new Map<MeasureName, Array<() => MeasureValue>>()

  readonly #catalogs: Array<(kind: 'tool' | 'prompt', name: string) => boolean> = []

  /** `has` tells whether an endpoint has an item, even if only some callers may use it. */
  knowItems (has: (kind: 'tool' | 'prompt', name: string) => boolean): void {
    this.#catalogs.push(has)
  }

  /** True if an endpoint has this item. */
  isItem (kind: 'tool' | 'prompt', name: string): boolean {
    return this.#catalogs.some(has => has(kind, name))
  }

  /**
   * `read` is called when metrics are scraped, and must be synchronous.
   */
  add (name: MeasureName, read: () => MeasureValue): void {
    const reads = this.#reads.get(name)
    if (reads === undefined) this.#reads.set(name, [read])
    else reads.push(read)
  }

  /** Skips a measure that throws. */
  * read (): Generator<readonly [name: MeasureName, labels: Readonly<Record<string, string>>, value: number]> {
    for (const [name, reads] of this.#reads) {
      const combine = combined[name] ?? sum
      const samples = new Map<string, readonly [Readonly<Record<string, string>>, number]>()
      for (const [labels, value] of reads.flatMap(samplesOf)) {
        const key = JSON.stringify(labels)
        const other = samples.get(key)
        samples.set(key, [labels, other === undefined ? value : combine(other[1], value)])
      }
      for (const [labels, value] of samples.values()) yield [name, labels, value]
    }
  }
}

function samplesOf (read: () => MeasureValue): ReadonlyArray<readonly [Readonly<Record<string, string>>, number]> {
  try {
    const reading = read()
    return typeof reading === 'number' ? [[{}, reading]] : reading
  } catch {
    return []
  }
}
