/** Features that only some of the revisions have. */

/** The only revision with batches (MCP 2025-03-26, Base Protocol). */
export const batchRevision = '2025-03-26'
/**
 * From this revision on, streams begin with an event, so that they can be resumed from it (MCP 2025-11-25,
 * Transports, Resumability).
 */
export const primedSince = '2025-11-25'
