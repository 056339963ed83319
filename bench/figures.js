/** Computes medians and ratios, and checks the claims. */

export function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `samples`: `{ round, id, job, rate, p50, p99, cpu }`. The median figures of a contender at a job. */
export function figuresOf (samples, id, job) {
  const own = samples.filter(sample => sample.id === id && sample.job === job)
  if (own.length === 0) return undefined
  const of = field => median(own.map(sample => sample[field]))
  return {
    rate: of('rate'),
    p50: of('p50'),
    p99: of('p99'),
    cpu: of('cpu'),
    pacedRate: of('pacedRate'),
    pacedP50: of('pacedP50'),
    pacedP99: of('pacedP99')
  }
}

/**
 * The median of the ratios within each round: a temporary disturbance of the machine affects both servers.
 * Undefined if one of them was not measured.
 */
export function ratioOf (samples, { of, to, field = 'rate' }, job) {
  const rounds = samples.filter(sample => sample.id === of && sample.job === job).flatMap(sample => {
    const other = samples.find(({ id, job, round }) => id === to && job === sample.job && round === sample.round)
    return other === undefined ? [] : [sample[field] / other[field]]
  })
  return rounds.length === 0
    ? undefined
    : { median: median(rounds), low: Math.min(...rounds), high: Math.max(...rounds) }
}

export function holds ({ least, most }, ratio) {
  return least === undefined ? ratio <= most : ratio >= least
}
