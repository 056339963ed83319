/** Checks whether this Node can run the server. Imports nothing, so that an old Node gets this far. */

/**
 * By major version, the first minor version that can `require` an ES module. A dependency of Fastify needs
 * this.
 */
const oldest: Readonly<Record<number, number>> = { 20: 19, 21: Infinity, 22: 12 }

/** Returns a message if `version`, such as `20.11.1`, is too old, otherwise `undefined`. */
export function tooOld (version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major >= 20 && minor >= (oldest[major] ?? 0)) return undefined
  return `fastify-mcp-auth requires Node 20.19, 22.12 or later. This is Node ${version}.`
}
