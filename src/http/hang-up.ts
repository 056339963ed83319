/** Closes the connection of an answer. */
import type { FastifyReply } from 'fastify'

/** A larger body that is still on its way would be cut off with a reset, and that loses the answer. */
const maxBodyBytes = 64 * 1024

/**
 * The answer says `Connection: close`: a stranger who guesses pays for a new connection each time. It does nothing
 * over HTTP/2, where others may use the connection, and while a large body is on its way.
 */
export function hangUp ({ request: { headers, raw }, raw: response }: FastifyReply): void {
  if (raw.httpVersionMajor !== 1 || headers['transfer-encoding'] !== undefined) return
  // On the response itself: the error handler takes the header of the same name off the reply.
  if (Number(headers['content-length'] ?? 0) <= maxBodyBytes) response.setHeader('connection', 'close')
}
