/** Access to prompts and resources in every method. */
import t from 'tap'
import {
  InsufficientScopeError,
  InvalidParamsError,
  NotAllowedError,
  UnknownPromptError,
  UnknownResourceError
} from '../../../../src/errors.js'
import { Catalog } from '../../../../src/mcp/catalog/catalog.js'
import type { AccessRule } from '../../../../src/principal/access.js'
import type { Completer } from '../../../../src/tools/resource.js'
import { callerOf, during, principalOf } from '../../../support/exchange.js'

function catalogFor (denied: NonNullable<AccessRule['denied']>): Catalog {
  const item = {
    access: { scopes: ['notes:read'], denied },
    complete: { id: ((): string[] => ['1']) satisfies Completer }
  }
  return new Catalog({
    info: { name: 'test', version: '0' },
    tools: [],
    resources: [
      { name: 'fixed', uri: 'notes://all', read: () => 'read', ...item },
      { name: 'some', uriTemplate: 'note://{id}', read: () => 'read', ...item }
    ],
    prompts: [{ name: 'ask', handler: () => 'asked', ...item }]
  })
}

const argument = { name: 'id', value: '' }
const ways: ReadonlyArray<[string, string, Record<string, unknown>]> = [
  ['reads a resource', 'resources/read', { uri: 'notes://all' }],
  ['reads by a template', 'resources/read', { uri: 'note://1' }],
  ['gets a prompt', 'prompts/get', { name: 'ask' }],
  ['completes a prompt', 'completion/complete', { ref: { type: 'ref/prompt', name: 'ask' }, argument }],
  ['completes a template', 'completion/complete', { ref: { type: 'ref/resource', uri: 'note://{id}' }, argument }]
]

const bob = principalOf('bob')
const ada = principalOf('ada', { scopes: ['notes:read'] })
const fromProvider = principalOf('eve', { issuer: 'https://issuer.example' })

for (const [what, method, params] of ways) {
  const run = async (catalog: Catalog, principal = bob): Promise<unknown> =>
    await during(callerOf(principal), async exchange => await catalog.dispatch(method, params, exchange))

  t.test(`a permitted caller that ${what} is served`, async t => {
    for (const denied of ['hide', 'error', 'challenge'] as const) await t.resolves(run(catalogFor(denied), ada))
  })

  t.test(`a caller that ${what} gets an unknown item if it is hidden`, async t => {
    const byMethod = method === 'resources/read' ? UnknownResourceError : UnknownPromptError
    const unknown = what === 'completes a template' ? InvalidParamsError : byMethod
    for (const denied of ['hide', 'challenge'] as const) {
      await t.rejects(run(catalogFor(denied)), { code: unknown.code })
    }
  })

  t.test(`a caller that ${what} with denied: error gets a readable error`, async t => {
    await t.rejects(run(catalogFor('error')), { code: NotAllowedError.code, statusCode: 200 })
  })

  t.test(`a caller that ${what} with denied: challenge is challenged`, async t => {
    const catalog = catalogFor('challenge')
    t.throws(
      () => {
        catalog.challenge({ method, params }, fromProvider, false)
      },
      { code: InsufficientScopeError.code, data: { scope: 'notes:read' } }
    )
    t.doesNotThrow(() => { catalog.challenge({ method, params }, ada, false) })
    await t.rejects(run(catalog, fromProvider), { code: InsufficientScopeError.code })
  })
}

for (const denied of ['hide', 'error', 'challenge'] as const) {
  t.test(`only readers are notified of a resource with denied: ${denied}`, async t => {
    const { resources } = catalogFor(denied)
    for (const uri of ['notes://all', 'note://1']) {
      t.equal(resources.mayRead(ada, uri), true)
      for (const principal of [bob, fromProvider]) t.equal(resources.mayRead(principal, uri), false)
    }
  })
}

t.test('a subscription with denied: challenge is challenged before the reply', async t => {
  t.throws(
    () => {
      catalogFor('challenge').challenge(
        { method: 'resources/subscribe', params: { uri: 'notes://all' } },
        fromProvider,
        false
      )
    },
    { code: InsufficientScopeError.code }
  )
})
