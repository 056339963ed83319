/** Counters and histograms with a bounded number of series. Further ones are coarser, or count as `other`. */
import { headOf, type Labels, labelsText, sample } from './text-format.js'

const mostSeries = 2000
/** Including those that are coarser. */
const mostWithCoarser = 2 * mostSeries

/** Identifies a series with fewer distinctions, to count in when there are too many. */
export interface CoarserSeries { readonly key: string, readonly labels: () => Labels }

/** Series by label key. Labels are formatted only once, because most requests find an existing series. */
abstract class Instrument<S> {
  readonly name: string
  readonly help: string
  readonly #series = new Map<string, { readonly labels: Labels, readonly state: S }>()

  constructor (name: string, help: string) {
    this.name = name
    this.help = help
  }

  protected abstract create (): S

  /** `key` identifies the labels. */
  protected find (key: string, labels: () => Labels, coarser?: () => CoarserSeries, most = mostSeries): S {
    const found = this.#series.get(key)
    if (found !== undefined) return found.state
    if (this.#series.size < most) return this.#add(key, labels)
    if (coarser === undefined) return this.#other(labels)
    const { key: coarserKey, labels: coarserLabels } = coarser()
    return this.find(coarserKey, coarserLabels, undefined, mostWithCoarser)
  }

  #other (labels: () => Labels): S {
    return this.#series.get('other')?.state ?? this.#add('other', () => allOther(labels()))
  }

  #add (key: string, labels: () => Labels): S {
    const state = this.create()
    this.#series.set(key, { labels: labels(), state })
    return state
  }

  protected series (): Iterable<{ readonly labels: Labels, readonly state: S }> {
    return this.#series.values()
  }
}

function allOther (labels: Labels): Labels {
  return Object.fromEntries(Object.keys(labels).map(name => [name, 'other']))
}

export class Counter extends Instrument<{ count: number }> {
  protected override create (): { count: number } {
    return { count: 0 }
  }

  add (key: string, labels: () => Labels, by = 1): void {
    this.find(key, labels).count += by
  }

  text (): string {
    const lines = [...this.series()].map(({ labels, state }) => sample(this.name, labels, state.count))
    return headOf(this.name, 'counter', this.help) + lines.join('')
  }
}

interface Distribution {
  /** Counts per bucket, not cumulative. The last bucket is above all bounds. */
  readonly counts: number[]
  sum: number
}

export class Histogram extends Instrument<Distribution> {
  readonly #bounds: readonly number[]

  constructor (name: string, help: string, bounds: readonly number[]) {
    super(name, help)
    this.#bounds = bounds
  }

  protected override create (): Distribution {
    return { counts: new Array(this.#bounds.length + 1).fill(0), sum: 0 }
  }

  record (value: number, key: string, labels: () => Labels, coarser?: () => CoarserSeries): void {
    const distribution = this.find(key, labels, coarser)
    let at = 0
    while (at < this.#bounds.length && value > Number(this.#bounds[at])) at += 1
    distribution.counts[at] = Number(distribution.counts[at]) + 1
    distribution.sum += value
  }

  text (): string {
    let lines = headOf(this.name, 'histogram', this.help)
    for (const { labels, state } of this.series()) {
      let below = 0
      for (const [at, count] of state.counts.entries()) {
        below += count
        const bound = this.#bounds[at]
        const le = bound === undefined ? '+Inf' : String(bound)
        lines += `${this.name}_bucket${labelsText({ ...labels, le })} ${below}\n`
      }
      lines += sample(`${this.name}_sum`, labels, state.sum) + sample(`${this.name}_count`, labels, below)
    }
    return lines
  }
}
