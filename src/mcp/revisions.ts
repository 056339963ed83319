/** The protocol revisions that an endpoint serves. */
import type { EraName } from './era-router.js'
import { served } from './legacy/revisions.js'
import { modernRevision } from './modern/envelope.js'

/** Newest first. */
export function revisionsOf (eras: readonly EraName[] = ['legacy', 'modern']): readonly string[] {
  const all = [...(eras.includes('legacy') ? served : []), ...(eras.includes('modern') ? [modernRevision] : [])]
  return all.sort().reverse()
}
