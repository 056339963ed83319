/** The prompts of an endpoint. */
import { z } from 'zod'
import { InvalidParamsError, NotAllowedError, UnknownPromptError } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { Prompt, PromptResult } from '../../tools/prompt.js'
import { requireItem } from '../../tools/validate.js'
import { createContext } from '../exchange/handler-context.js'
import type { Exchange } from '../exchange/exchange.js'
import { isListOf, isRecord } from '../../lib/guards.js'
import { type CompiledSchema, compile } from '../schemas/compile.js'
import { Registry, type Registered, denialOf } from './registry.js'

interface RegisteredPrompt extends Registered<Prompt> {
  readonly input: CompiledSchema
}

export class PromptRegistry extends Registry<Prompt, RegisteredPrompt> {
  put (prompt: Prompt): Prompt {
    requireItem('Prompt', prompt)
    const { name, title, description, icons, _meta } = prompt
    const input = prompt.input ?? z.object({})
    const wire = { name, title, description, icons, arguments: argumentsOf(input), _meta }
    this.add(name, { item: prompt, input: compile(input, 'input'), wire })
    return prompt
  }

  /** The prompt of this name. Throws a refusal where `principal` may not use it. */
  find (name: unknown, principal: Principal): RegisteredPrompt {
    const registered = typeof name === 'string' ? this.get(name) : undefined
    if (registered === undefined) throw new UnknownPromptError({ reason: 'no such prompt' })
    const denial = denialOf(principal, registered.item)
    if (denial === 'hide') throw new UnknownPromptError({ reason: 'not for this principal' })
    if (denial === 'error') throw new NotAllowedError({ reason: `prompt ${registered.item.name}` })
    if (denial !== undefined) throw denial
    return registered
  }

  async render ({ name, arguments: args = {} }: Record<string, unknown>, exchange: Exchange): Promise<PromptResult> {
    const { item, input } = this.find(name, exchange.caller.principal)
    if (!isRecord(args)) throw new InvalidParamsError({ reason: 'the arguments of a prompt are an object' })
    await exchange.enter(item)
    const checked = await input.check(args)
    if (!checked.ok) throw new InvalidParamsError({ reason: 'prompt arguments', data: { problem: checked.problem } })
    const context = createContext(exchange, () => [])
    const work = async (): Promise<PromptResult | string> => await item.handler(checked.value, context)
    const given = await exchange.race(work())
    if (typeof given === 'string') return { messages: [{ role: 'user', content: { type: 'text', text: given } }] }
    if (!isRecord(given) || !isListOf(given.messages, isMessage)) throw new TypeError(`${item.name} returned neither a text nor messages, each with a role and its content`)
    return given
  }
}

function isMessage (message: unknown): boolean {
  return isRecord(message) && (message.role === 'user' || message.role === 'assistant') && isRecord(message.content)
}

function argumentsOf (input: z.ZodObject): object[] {
  return Object.entries(input.shape).map(([name, schema]) => {
    const { description } = z.globalRegistry.get(schema) ?? {}
    return { name, description, required: !schema.safeParse(undefined).success }
  })
}
