/** The prompts of an endpoint. */
import { z } from '../../lib/zod.js'
import { InvalidParamsError, NotAllowedError, UnknownPromptError } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { Prompt, PromptResult } from '../../tools/prompt.js'
import { requireCompletable, requireItem } from '../../tools/validate.js'
import { type AccessOf, createContext, noTools } from '../exchange/handler-context.js'
import type { Exchange } from '../exchange/exchange.js'
import { isListOf, isRecord } from '../../lib/guards.js'
import { type CompiledSchema, compile } from '../schemas/compile.js'
import { requireKnownKind } from '../schemas/kinds.js'
import { faultOfBlock } from '../calls/content.js'
import { inPublicWords } from '../calls/public-words.js'
import type { RightsGate } from './rights.js'
import { Registry, type Registered } from './registry.js'
import type { Refusals } from './rights.js'

interface RegisteredPrompt extends Registered<Prompt> {
  readonly input: CompiledSchema
}

const refusals: Refusals = {
  unknown: reason => new UnknownPromptError({ reason }),
  denied: reason => new NotAllowedError({ reason: `prompt: ${reason}` })
}

export class PromptRegistry extends Registry<Prompt, RegisteredPrompt> {
  readonly #accessOf: AccessOf

  constructor (rights: RightsGate, accessOf: AccessOf = () => noTools) {
    super(rights)
    this.#accessOf = accessOf
  }

  put (prompt: Prompt): Prompt {
    requireItem('Prompt', prompt)
    const { name, title, description, icons, _meta } = prompt
    const { shape, schema } = inputOf(prompt)
    if (prompt.input !== undefined) {
      requireCompletable(`Prompt ${JSON.stringify(name)}`, prompt.complete, Object.keys(shape))
    }
    const wire = { name, title, description, icons, arguments: argumentsOf(shape), _meta }
    this.add(name, { item: prompt, input: schema, wire })
    return prompt
  }

  /** The prompt with this name. Throws a refusal if `principal` may not use it. */
  find (name: unknown, principal: Principal): RegisteredPrompt {
    const registered = typeof name === 'string' ? this.get(name) : undefined
    return this.rights.admit(registered, principal, refusals)
  }

  async render ({ name, arguments: args = {} }: Record<string, unknown>, exchange: Exchange): Promise<PromptResult> {
    const { item, input } = this.find(name, exchange.caller.principal)
    if (!isRecord(args)) throw new InvalidParamsError({ reason: 'the arguments of a prompt must be an object' })
    await exchange.enter(item)
    const checked = await input.check(args)
    if (!checked.ok) throw new InvalidParamsError({ reason: 'prompt arguments', data: { problem: checked.problem } })
    const context = createContext(exchange, this.#accessOf(exchange))
    const work = async (): Promise<PromptResult | string> => await item.handler(checked.value, context)
    const given = await exchange.race(inPublicWords(work()))
    if (typeof given === 'string') return { messages: [{ role: 'user', content: { type: 'text', text: given } }] }
    const fault = faultOfPrompt(given)
    if (fault !== undefined) throw new TypeError(`${item.name} returned ${fault}`)
    return given
  }
}

function faultOfPrompt (given: unknown): string | undefined {
  if (!isRecord(given) || !isListOf(given.messages, isMessage)) {
    return 'neither a string nor messages with role and content'
  }
  const { messages, description, _meta } = given as {
    messages: Array<{ content: unknown }>
    description?: unknown
    _meta?: unknown
  }
  if (description !== undefined && typeof description !== 'string') return 'a description that is not a string'
  if (_meta !== undefined && !isRecord(_meta)) return 'a _meta that is not an object'
  return messages.map(({ content }) => faultOfBlock(content)).find(fault => fault !== undefined)
}

function isMessage (message: unknown): boolean {
  return isRecord(message) && (message.role === 'user' || message.role === 'assistant') && isRecord(message.content)
}

/** Throws a `TypeError` unless `input` is a zod object: the arguments of a prompt are its fields. */
function inputOf ({ name, input = z.object({}) }: Prompt): { shape: z.ZodObject['shape'], schema: CompiledSchema } {
  try {
    requireKnownKind(input)
    const { shape } = input
    if (!isRecord(shape as unknown)) throw new TypeError('must be z.object({ … }) of zod 4')
    return { shape, schema: compile(input, 'input') }
  } catch (error) {
    throw new TypeError(`Prompt ${name}, input schema: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error
    })
  }
}

function argumentsOf (shape: z.ZodObject['shape']): object[] {
  return Object.entries(shape).map(([name, schema]) => {
    const { description } = z.globalRegistry.get(schema) ?? {}
    return { name, description, required: !schema.safeParse(undefined).success }
  })
}
