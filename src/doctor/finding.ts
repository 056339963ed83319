/** A finding of the doctor: what is wrong, why it matters, and how to fix it. */
export type Severity = 'error' | 'warning' | 'info'

export interface Finding {
  /** Constant, in kebab-case; docs/troubleshooting.md has each. */
  readonly id: string
  /** `error`: some or all callers are kept out. `warning`: it works, with a risk. `info`: good to know. */
  readonly severity: Severity
  readonly what: string
  readonly why: string
  readonly fix: string
}

const codes: Readonly<Record<Severity, number>> = { info: 0, warning: 1, error: 2 }

/** 0 where nothing is worse than `info`, 1 where a warning is the worst, 2 with an error. */
export function exitCodeOf (findings: readonly Finding[]): number {
  return Math.max(0, ...findings.map(({ severity }) => codes[severity]))
}

/** The worst first; those of one severity in the order of the checks. */
export function byWeight (findings: readonly Finding[]): Finding[] {
  return [...findings].sort((one, other) => codes[other.severity] - codes[one.severity])
}

/**
 * What somebody else wrote, fit for a terminal: bounded, and without what moves a cursor or turns the
 * direction of a text.
 */
export function quoted (text: string, max = 200): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').trim()
  return `"${plain.length > max ? `${plain.slice(0, max)}…` : plain}"`
}
