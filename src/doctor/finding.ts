/** Findings of the doctor: what is wrong, why it matters, and how to fix it. */
export type Severity = 'error' | 'warning' | 'info'

export interface Finding {
  /** A constant in kebab-case, explained in docs/troubleshooting.md. */
  readonly id: string
  /**
   * `error`: some callers cannot use the server. `warning`: the server works, with a risk. `info`: good to
   * know.
   */
  readonly severity: Severity
  readonly what: string
  readonly why: string
  readonly fix: string
}

const codes: Readonly<Record<Severity, number>> = { info: 0, warning: 1, error: 2 }

/** 2 if there is an error, 1 if there is a warning, otherwise 0. */
export function exitCodeOf (findings: readonly Finding[]): number {
  return Math.max(0, ...findings.map(({ severity }) => codes[severity]))
}

/** Sorts by severity, the most severe first. Findings of the same severity keep their order. */
export function byWeight (findings: readonly Finding[]): Finding[] {
  return [...findings].sort((one, other) => codes[other.severity] - codes[one.severity])
}

/**
 * Quotes text of the server for a terminal: limits its length and removes control characters and direction
 * marks.
 */
export function quoted (text: string, max = 200): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').trim()
  return `"${plain.length > max ? `${plain.slice(0, max)}…` : plain}"`
}
