/** Checks whether this Node can run the server. Imports nothing, so that an old Node gets this far. */

/** The first minor version, of each major one, in which packages may `require` an ES module: one below Fastify does. */
const oldest: Readonly<Record<number, number>> = { 20: 19, 21: Infinity, 22: 12 }

/** One sentence where `version`, such as `20.11.1`, is too old; `undefined` where it is not. */
export function tooOld (version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major >= 20 && minor >= (oldest[major] ?? 0)) return undefined
  return `fastify-mcp-auth needs Node 20.19, 22.12 or later, and this is Node ${version}.`
}
