/** A log stream that keeps its lines. */
import { witness } from './witness.js'

export interface LogSink {
  write: (line: string) => void
  lines: () => Array<Record<string, unknown>>
  text: () => string
}

export function logSink (): LogSink {
  const kept: string[] = []
  return {
    write: line => {
      witness('a log line', line)
      kept.push(line)
    },
    lines: () => kept.map(line => JSON.parse(line)),
    text: () => kept.join('')
  }
}
