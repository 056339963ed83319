/** Routes each request to its era, and holds what the eras share. */
import type { Bus } from '../fleet/bus.js'
import { EnvelopeError, FrozenStreamError, InvalidParamsError, type Refusal } from '../errors.js'
import type { FreezeGate } from '../freeze/freezes.js'
import type { Catalog } from './catalog/catalog.js'
import type { Era, EraGauges, EraName, McpRequest } from './era.js'
import { createLegacyEra } from './legacy/era.js'
import type { SessionListener, SessionStores, SessionsOptions } from './legacy/sessions/sessions.js'
import { dropNulls, hasReadableMeta } from './wire/messages.js'
import { claimsModern, modernRevision } from './modern/envelope.js'
import { createModernEra } from './modern/era.js'
import type { SpentStates } from './modern/input-required.js'
import type { Reply } from './wire/reply.js'
import { type Holder, Streams } from './streams/streams.js'

const badMeta = { reason: 'a field of _meta has the wrong type' }

export type { EraName }

export interface EndpointOptions {
  readonly catalog: Catalog
  /** Default: both. */
  readonly eras?: readonly EraName[] | undefined
  readonly maxStreamsPerPrincipal?: number | undefined
  readonly stateKey: Uint8Array
  /** Records the states used by callers of tools with `once`. */
  readonly spent: SpentStates
  /** Sessions of the legacy era. Default: none. */
  readonly sessions?: SessionsOptions | undefined
  /** Where sessions are stored. Default: in this process. */
  readonly sessionStores?: SessionStores | undefined
  /** Between the instances of the endpoint. Default: there is only one. */
  readonly bus?: Bus | undefined
  /** Notified when sessions begin and end. */
  readonly onSession?: SessionListener | undefined
  /** What the operator switched off. Default: nothing. */
  readonly freezes?: FreezeGate | undefined
}

export interface McpEndpoint {
  /** Throws a refusal, or rejects with one, if the request cannot be served. */
  serve: (incoming: McpRequest) => Reply | Promise<Reply>
  /** The open streams, so that they can be ended with their credential. */
  readonly streams: Streams
  /** Ends what has no answer to wait for; running calls continue until they are answered. */
  quiesce: () => void
  /** Ends everything else. */
  close: () => Promise<void>
  /** The current numbers of each era. */
  gauges: () => ReadonlyArray<readonly [era: EraName, gauges: EraGauges]>
}

export function createEndpoint ({
  catalog,
  eras = ['legacy', 'modern'],
  maxStreamsPerPrincipal,
  stateKey,
  spent,
  sessions,
  sessionStores,
  bus,
  freezes,
  onSession
}: EndpointOptions): McpEndpoint {
  const refusalFor = ({ principal }: Holder): Refusal | undefined => {
    const target = freezes?.frozenFor(principal)
    return target === undefined ? undefined : new FrozenStreamError({ reason: `${target} is frozen` })
  }
  const streams = new Streams({ maxPerPrincipal: maxStreamsPerPrincipal, refusalFor })
  const modern = eras.includes('modern') ? createModernEra({ catalog, streams, stateKey, spent }) : undefined
  const legacy = eras.includes('legacy')
    ? createLegacyEra({
      catalog,
      streams,
      sessions,
      stores: sessionStores,
      bus,
      onSession,
      alsoServed: modern === undefined ? [] : [modernRevision]
    })
    : undefined
  const only = legacy ?? modern
  if (only === undefined || !eras.every(one => one === 'legacy' || one === 'modern')) {
    throw new TypeError('`eras` must contain legacy, modern or both, and nothing else')
  }

  return {
    streams,
    serve (incoming) {
      dropNulls(incoming.body)
      const era = eraOf(incoming)
      incoming.servedBy?.(era === modern ? 'modern' : 'legacy')
      if (!hasReadableMeta(incoming.body)) {
        throw era === modern ? new EnvelopeError(badMeta) : new InvalidParamsError(badMeta)
      }
      // Clients of 2026-07-28 add the scopes of a challenge to those they hold. Older clients replace them, so the
      // challenge must list both.
      catalog.challenge(incoming.body, incoming.principal, era === legacy)
      return era.serve(incoming)
    },
    quiesce () {
      streams.endStanding()
      legacy?.quiesce()
      modern?.quiesce()
    },
    async close () {
      streams.close()
      await Promise.all([legacy?.close(), modern?.close()])
    },
    gauges: () => [
      ...(legacy === undefined ? [] : [['legacy', legacy.gauges()] as const]),
      ...(modern === undefined ? [] : [['modern', modern.gauges()] as const])
    ]
  }

  function eraOf (incoming: McpRequest): Era {
    if (modern === undefined || legacy === undefined) return only as Era
    return claimsModern(incoming) ? modern : legacy
  }
}
