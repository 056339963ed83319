/** Merges the metrics of several processes. Each sample gets a label with its process. */
import { labelsText } from './text-format.js'

const head = /^# (?:HELP|TYPE) (\S+)/
const sampleForm = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/

/** `texts` are results of `Metrics.text`, each with the value for its label `worker`. */
export function mergeTexts (texts: ReadonlyArray<readonly [worker: string, text: string]>): string {
  // The format requires all samples of a metric together, after its HELP and TYPE lines.
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
