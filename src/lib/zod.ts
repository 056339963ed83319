/** zod, of the version that is needed: the host installs it, and its schemas and ours are to be of one kind. */
import { z } from 'zod'

// The first thing that zod 3 would fail at is some `z.…` of ours, in words that help nobody.
if (typeof (z as Partial<typeof z>).toJSONSchema !== 'function') {
  throw new Error('fastify-mcp-auth needs zod 4, and zod 3 is installed here: run `npm install zod@4`')
}

export { z }
