/** The environment of an upstream process. An allowlist, so that no secret of this server gets into it. */
const names = ['PATH', 'HOME', 'LANG', 'TMPDIR'] as const

export function passedOn (): Record<string, string> {
  return Object.fromEntries(names.flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }))
}
