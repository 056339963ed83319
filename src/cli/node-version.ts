/** Whether this Node can run the server. Imports nothing, so that an old one gets this far. */

/** The first minor version, of each major one, that has `zlib.crc32`, the last thing to come of what is used. */
const oldest: Readonly<Record<number, number>> = { 20: 15, 21: Infinity, 22: 2 }

/** One sentence where `version`, such as `20.11.1`, is too old; `undefined` where it is not. */
export function tooOld (version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major >= 20 && minor >= (oldest[major] ?? 0)) return undefined
  return `fastify-mcp-auth needs Node 20.15, 22.2 or later, and this is Node ${version}.`
}
