/** Reports the metrics of an endpoint, and decisions about its sessions. */
import { sha256 } from '../../lib/sha256.js'
import type { Catalog } from '../../mcp/catalog/catalog.js'
import type { McpEndpoint } from '../../mcp/era-router.js'
import type { RunningCalls } from '../../mcp/exchange/running-calls.js'
import type { SessionListener } from '../../mcp/legacy/sessions/sessions.js'
import type { Decisions } from '../../telemetry/decisions.js'
import type { Measures } from '../../telemetry/measures.js'

export function addMeasures (measures: Measures, endpoint: McpEndpoint, catalog: Catalog, running: RunningCalls): void {
  const { tools, resources, prompts } = catalog
  measures.knowItems((kind, name) => (kind === 'tool' ? tools : prompts).get(name) !== undefined)
  measures.add('streams', () => endpoint.streams.size)
  measures.add('calls_in_flight', () => running.size)
  measures.add('sessions', () => endpoint.gauges().reduce((sum, [, { sessions = 0 }]) => sum + sessions, 0))
  measures.add('slots', () => endpoint.gauges().flatMap(([era, { idle, busy }]) => [
    [{ era, state: 'idle' }, idle],
    [{ era, state: 'busy' }, busy]
  ] as const))
  measures.add('slot_discards_total', () =>
    endpoint.gauges().map(([era, { discards }]) => [{ era }, discards] as const)
  )
  measures.add('catalog_items', () => [
    [{ kind: 'tool' }, [...tools.values()].length],
    [{ kind: 'resource' }, [...resources.fixed.values()].length],
    [{ kind: 'template' }, [...resources.templates.values()].length],
    [{ kind: 'prompt' }, [...prompts.values()].length]
  ])
}

const mostTimed = 10_000

/**
 * Names sessions by part of a digest, because anyone with the caller's credential could use a session by its
 * id.
 */
export function sessionDecisions (decisions: Decisions): SessionListener {
  const openedAt = new Map<string, number>()
  return (kind, id, owner) => {
    const at = Date.now()
    const began = openedAt.get(id)
    if (kind === 'session-closed') openedAt.delete(id)
    else if (openedAt.size < mostTimed) openedAt.set(id, at)
    const about = { session: sha256(id).slice(0, 12) }
    decisions.note({
      kind,
      outcome: 'allowed',
      at,
      principal: owner,
      ms: began === undefined ? undefined : at - began,
      about
    })
  }
}
