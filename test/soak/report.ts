/** Draws the samples of a soak test as an SVG chart: answers per second, keys in Redis, memory and faults. */

export interface Sample {
  readonly seconds: number
  /** In total so far. */
  readonly good: number
  readonly limited: number
  readonly keys: number
  /** In MB, for each instance. */
  readonly memory: readonly number[]
  /** The fault at this time; empty if there was none. */
  readonly fault: string
}

const width = 760
const panel = 110
const left = 60

export function chartOf (samples: readonly Sample[]): string {
  const end = samples.at(-1)?.seconds ?? 1
  const x = (seconds: number): number => left + seconds / end * (width - left - 20)
  const rates = samples.slice(1).map((sample, index) => {
    const before = samples[index]
    return {
      at: sample.seconds,
      value: before === undefined ? 0 : (sample.good - before.good) / (sample.seconds - before.seconds)
    }
  })
  const panels = [
    { title: 'successful answers per second', points: rates },
    { title: 'keys in Redis', points: samples.map(({ seconds, keys }) => ({ at: seconds, value: keys })) },
    {
      title: 'memory of all instances, MB',
      points: samples.map(({ seconds, memory }) => ({
        at: seconds,
        value: memory.reduce((sum, one) => sum + (Number.isNaN(one) ? 0 : one), 0)
      }))
    }
  ]
  const drawn = panels.map(({ title, points }, index) => {
    const top = 24 + index * (panel + 34)
    const known = points.filter(({ value }) => Number.isFinite(value))
    const most = Math.max(1, ...known.map(({ value }) => value))
    const y = (value: number): number => top + panel - value / most * panel
    const line = known.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    return [
      `<text class="title" x="${left}" y="${top - 8}">${title}</text>`,
      `<text class="quiet" x="${left - 8}" y="${top + 10}" text-anchor="end">${Math.round(most)}</text>`,
      `<line class="axis" x1="${left}" y1="${top + panel}" x2="${width - 20}" y2="${top + panel}"/>`,
      `<polyline class="line" points="${line}"/>`
    ].join('\n')
  })
  const height = 24 + panels.length * (panel + 34)
  const marks = samples
    .filter(({ fault }) => fault !== '')
    .map(
      ({ seconds, fault }) =>
        `<line class="fault" x1="${x(seconds).toFixed(1)}" y1="16" x2="${x(seconds).toFixed(1)}" ` +
          `y2="${height - 34}"><title>${fault}</title></line>`
    )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="A fleet under faults">
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .quiet { fill: #59636e }
.axis { stroke: #afb8c1 } .line { fill: none; stroke: #0969da; stroke-width: 1.5 } .fault { stroke: #cf222e; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .quiet { fill: #9198a1 } .line { stroke: #4493f8 } }
</style>
${[...marks, ...drawn].join('\n')}
</svg>
`
}
