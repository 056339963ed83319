/** Whether this Node can run the server. Imports nothing, so that an old one gets this far. */

const OLDEST_MAJOR = 20

/** One sentence where `version`, such as `20.11.1`, is too old; `undefined` where it is not. */
export function tooOld (version: string): string | undefined {
  const major = Number(version.split('.')[0])
  if (major >= OLDEST_MAJOR) return undefined
  return `fastify-mcp-auth needs Node ${OLDEST_MAJOR} or later, and this is Node ${version}.`
}
