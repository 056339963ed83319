/** The messages and items of the property test of the bridge. */
import { setImmediate as turn } from 'node:timers/promises'
import { z } from 'zod'
import { PublicToolError } from '../../src/errors.js'
import { Catalog } from '../../src/mcp/catalog/catalog.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, rpc } from './service.js'

/** What a call does, and what its caller does meanwhile. */
export const deeds = [
  'returns',
  'returns later',
  'speaks',
  'speaks too late',
  'throws',
  'throws null',
  'says no',
  'returns a circle',
  'never ends',
  'leaves at once',
  'leaves later',
  'leaves amid a stream',
  'cancels',
  'pings',
  'initializes',
  'sets a level',
  'is unknown',
  'does not fit',
  'asks',
  'listens',
  'is for ada',
  'reads for ada',
  'prompts for ada'
] as const
export type Deed = typeof deeds[number]

/** A text sent after the end of a call. No caller may receive it. */
export const late = 'too late'

export const turns = async (count: number): Promise<void> => { for (let i = 0; i < count; i++) await turn() }

const nothing: unknown = null

/** Answers with its caller and arguments, so that a misplaced answer is noticed. */
const act = defineTool({
  name: 'act',
  input: z.object({ deed: z.string(), mark: z.string(), lasts: z.number() }),
  handler: async ({ deed, mark, lasts }, { principal, progress, elicit }) => {
    const mine = `${principal.id} ${mark};`
    if (deed === 'returns' || deed === 'is for ada') return mine
    if (deed === 'speaks' || deed === 'leaves amid a stream') await progress(1, 2, mine)
    await turns(lasts)
    switch (deed) {
      case 'speaks':
        await progress(2, 2, mine)
        return mine
      case 'speaks too late':
        turns(3).then(
          async () => {
            await progress(1, 1, `${mine} ${late}`)
          },
          () => {}
        )
        return mine
      case 'throws':
        throw new Error(mine)
      case 'throws null':
        throw nothing
      case 'says no':
        throw new PublicToolError(mine)
      case 'returns a circle':
        return circle(mine)
      case 'returns later':
        return mine
      case 'asks':
        return `${(await elicit({ message: mine, schema: { type: 'object' } }, mark)).action}ed by ${mine}`
      default:
        return await new Promise<never>(() => {})
    }
  }
})

function circle (mine: string): { structuredContent: Record<string, unknown> } {
  const structuredContent: Record<string, unknown> = { mine }
  structuredContent.itself = structuredContent
  return { structuredContent }
}

const forAda = { access: { allow: ({ id }: { id: string }) => id === 'jwt:ada' } }

export function catalogOfDeeds (): Catalog {
  return new Catalog({
    info: { name: 'tests', version: '0' },
    tools: [
      act,
      // Only its deadline ends this tool.
      defineTool({ ...act, name: 'hang', deadlineMs: 3 }),
      defineTool({ ...act, name: 'vault', ...forAda })
    ],
    resources: [
      defineResource({
        name: 'vault',
        uriTemplate: 'vault://{mark}',
        ...forAda,
        read: (_uri, { principal }, { mark }) => `${principal.id} ${mark};`
      })
    ],
    prompts: [
      definePrompt({
        name: 'vault',
        ...forAda,
        input: z.object({ mark: z.string() }),
        handler: ({ mark }, { principal }) => `${principal.id} ${mark};`
      })
    ]
  })
}

export function messageOf (
  deed: Deed,
  mark: string,
  { id, lasts }: { readonly id: string | number; readonly lasts: number }
): Record<string, unknown> {
  const call = (name: string) => ({
    ...rpc('tools/call', { name, arguments: { deed, mark, lasts }, _meta: { progressToken: mark } }, id)
  })
  switch (deed) {
    case 'pings':
      return { ...rpc('ping', undefined, id) }
    case 'initializes':
      return {
        ...rpc(
          'initialize',
          { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: mark, version: '0' } },
          id
        )
      }
    case 'sets a level':
      return { ...rpc('logging/setLevel', { level: 'debug' }, id) }
    case 'is unknown':
      return { ...callOf('nobody', { mark }, id) }
    case 'does not fit':
      return { ...callOf('act', { mark }, id) }
    case 'listens':
      return { ...rpc('subscriptions/listen', { notifications: { toolsListChanged: true } }, id) }
    case 'reads for ada':
      return { ...rpc('resources/read', { uri: `vault://${mark}` }, id) }
    case 'prompts for ada':
      return { ...rpc('prompts/get', { name: 'vault', arguments: { mark } }, id) }
    case 'is for ada':
      return call('vault')
    case 'never ends':
      return call('hang')
    default:
      return call('act')
  }
}
