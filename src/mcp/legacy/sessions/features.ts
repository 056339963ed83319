/** What only some of the revisions have. */

/** The only revision with batches (MCP 2025-03-26, Base Protocol). */
export const batchRevision = '2025-03-26'
/**
 * Streams begin with an event since this one, so that they can be resumed from there (MCP 2025-11-25,
 * Transports, Resumability).
 */
export const primedSince = '2025-11-25'
