/** The environment of an upstream process. An allowlist, so that no secret of this server gets into it. */
export const passedNames: readonly string[] = ['PATH', 'HOME', 'LANG', 'TMPDIR']

export function passedOn (): Record<string, string> {
  return Object.fromEntries(passedNames.flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }))
}
