/** Parses lifetimes such as `15m`. */

const unitSeconds: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }
/** Ten years. Use an API key for longer. */
const maxLifetimeSeconds = 3650 * 86_400

/**
 * Seconds of a lifetime written as `90s`, `15m`, `1h`, `7d`, or as plain digits (seconds).
 * Throws a `RangeError` on anything else, on zero and on more than 3650 days.
 */
export function parseLifetime (text: string): number {
  // For untyped callers: `exec` would also accept the number 3600 and the array ['1h'].
  const [, digits = '', unit = ''] = (typeof text === 'string' && /^(\d{1,9})([smhd]?)$/.exec(text)) || []
  const lifetimeSeconds = Number(digits) * (unitSeconds[unit] ?? 0)
  if (!(lifetimeSeconds > 0 && lifetimeSeconds <= maxLifetimeSeconds)) {
    throw new RangeError(
      'A lifetime must be digits with s, m, h or d, or plain seconds, such as 90s, 1h, 7d, 3600; at most 3650d'
    )
  }
  return lifetimeSeconds
}
