/** Merges the metrics of several processes: each sample names its process. */
import { labelsText } from './text-format.js'

const head = /^# (?:HELP|TYPE) (\S+)/
const sampleForm = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/

/** `texts`: as `Metrics.text` gives them, each with the value of its label `worker`. */
export function mergeTexts (texts: ReadonlyArray<readonly [worker: string, text: string]>): string {
  // The samples of a metric have to stand together, after its two lines.
  const metrics = new Map<string, { heads: Set<string>, samples: string[] }>()
  for (const [worker, text] of texts) {
    let current = { heads: new Set<string>(), samples: new Array<string>() }
    for (const line of text.split('\n')) {
      const [, name] = head.exec(line) ?? []
      if (name !== undefined) {
        current = metrics.get(name) ?? { heads: new Set<string>(), samples: [] }
        metrics.set(name, current)
        current.heads.add(line)
      } else if (line !== '') current.samples.push(withWorker(line, worker))
    }
  }
  return [...metrics.values()].flatMap(({ heads, samples }) => [...heads, ...samples]).join('\n') + '\n'
}

function withWorker (line: string, worker: string): string {
  const [, name = '', labels, value = ''] = sampleForm.exec(line) ?? []
  const own = labelsText({ worker }).slice(1, -1)
  return `${name}{${labels === undefined ? own : `${labels},${own}`}} ${value}`
}
