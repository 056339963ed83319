/** Exports zod and checks its version. The host installs zod, so that its schemas and ours are compatible. */
import { z } from 'zod'

// Without this check, zod 3 would fail later with an incomprehensible message.
if (typeof (z as Partial<typeof z>).toJSONSchema !== 'function') {
  throw new Error('fastify-mcp-auth needs zod 4, and zod 3 is installed here: run `npm install zod@4`')
}

export { z }
