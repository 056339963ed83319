/** Formats metrics in Prometheus' text format, version 0.0.4. */

export type Labels = Readonly<Record<string, string>>

export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** The HELP and TYPE lines of a metric. */
export function headOf (name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
}

export function sample (name: string, labels: Labels, value: number): string {
  return `${name}${labelsText(labels)} ${numberText(value)}\n`
}

/** Omits empty labels, which mean the same as absent ones. */
export function labelsText (labels: Labels): string {
  const pairs = Object.entries(labels).filter(([, value]) => value !== '')
  return pairs.length === 0 ? '' : `{${pairs.map(([name, value]) => `${name}="${escaped(value)}"`).join(',')}}`
}

function escaped (value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function numberText (value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}
