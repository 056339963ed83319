/** `subscriptions/listen` of revision 2026-07-28: one stream that announces changes. */
import { InvalidParamsError } from '../../errors.js'
import type { Catalog } from '../catalog/catalog.js'
import { type Change, asSubscribed, notificationOf } from '../catalog/changes.js'
import type { Exchange } from '../exchange/exchange.js'
import { type RpcRequest, maxUriLength } from '../wire/messages.js'
import type { Reply } from '../wire/reply.js'
import { streamHeaders } from '../wire/event-stream.js'
import type { Streams } from '../streams/streams.js'
import { isRecord } from '../../lib/guards.js'

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'
export const serverInfoKey = 'io.modelcontextprotocol/serverInfo'
const maxUris = 100

interface Filter {
  toolsListChanged?: true
  promptsListChanged?: true
  resourcesListChanged?: true
  resourceSubscriptions?: string[]
}

/** Opens the stream, and first acknowledges the accepted parts of the filter. */
export function openSubscription (request: RpcRequest, exchange: Exchange, catalog: Catalog, streams: Streams): Reply {
  const { principal } = exchange.caller
  const filter = filterOf(request.params?.notifications)
  const meta = { [subscriptionKey]: request.id }
  const stream = streams.open(exchange.caller, last => {
    void last.write(
      JSON.stringify({
        jsonrpc: '2.0',
        id: request.id,
        result: { resultType: 'complete', _meta: { ...meta, [serverInfoKey]: catalog.info } }
      })
    )
  })
  const tell = (method: string, params: Record<string, unknown>): void => {
    void stream.write(JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta: meta } }))
  }
  tell('notifications/subscriptions/acknowledged', { notifications: filter })
  const watches = (filter.resourceSubscriptions ?? [])
    .filter(uri => catalog.mayLearn(principal, { kind: 'resource', uri }))
    .map(uri => catalog.watchResource(principal.id, uri))
  const unsubscribe = catalog.changes.subscribe(change => {
    const wanted = wantedOf(filter, change, principal.id)
    if (wanted === undefined || !catalog.mayLearn(principal, wanted)) return
    const { method, params } = notificationOf(wanted)
    tell(method, params)
  })
  const stop = catalog.changes.onGap(() => {
    for (const change of anyChange(filter)) {
      if (change.kind !== 'resource' || catalog.mayLearn(principal, change)) {
        tell(notificationOf(change).method, notificationOf(change).params)
      }
    }
  })
  stream.readable.once('close', () => {
    unsubscribe()
    stop()
    for (const end of watches) end()
  })
  return { status: 200, headers: streamHeaders, stream: stream.readable }
}

/** All changes that a reader may have missed. */
function anyChange ({
  toolsListChanged,
  promptsListChanged,
  resourcesListChanged,
  resourceSubscriptions = []
}: Filter): Change[] {
  const lists = [
    toolsListChanged && 'tools',
    promptsListChanged && 'prompts',
    resourcesListChanged && 'resources'
  ] as const
  return [
    ...lists.flatMap(kind => (kind === undefined ? [] : [{ kind, item: { name: '' } }])),
    ...resourceSubscriptions.map(uri => ({ kind: 'resource' as const, uri }))
  ]
}

function filterOf (asked: unknown): Filter {
  if (!isRecord(asked)) throw new InvalidParamsError({ reason: 'listen without a filter' })
  const { toolsListChanged, promptsListChanged, resourcesListChanged, resourceSubscriptions = [] } = asked
  for (const flag of [toolsListChanged, promptsListChanged, resourcesListChanged]) {
    if (flag !== undefined && typeof flag !== 'boolean') {
      throw new InvalidParamsError({ reason: 'a filter that is not a boolean' })
    }
  }
  if (
    !Array.isArray(resourceSubscriptions) ||
    resourceSubscriptions.length > maxUris ||
    !resourceSubscriptions.every(isUri)
  ) {
    throw new InvalidParamsError({ reason: 'resourceSubscriptions that is not an array of URIs, or is too long' })
  }
  return {
    ...(toolsListChanged === true ? { toolsListChanged } : {}),
    ...(promptsListChanged === true ? { promptsListChanged } : {}),
    ...(resourcesListChanged === true ? { resourcesListChanged } : {}),
    ...(resourceSubscriptions.length === 0 ? {} : { resourceSubscriptions })
  }
}

function isUri (uri: unknown): boolean {
  return typeof uri === 'string' && uri.length <= maxUriLength
}

/** The change that this subscriber is notified of; `undefined` if it does not match the filter. */
function wantedOf (filter: Filter, change: Change, principalId: string): Change | undefined {
  if (change.kind === 'resource') return asSubscribed(filter.resourceSubscriptions ?? [], change, principalId)
  return filter[`${change.kind}ListChanged`] === true ? change : undefined
}
