/** What comes back from a caller that was asked, checked before a handler sees it. */
import { z } from '../../lib/zod.js'
import { InvalidParamsError } from '../../errors.js'
import type { Schema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { compile } from '../schemas/compile.js'
import { maxAnswerValues } from '../wire/for-sdk.js'
import { isModest } from '../wire/messages.js'

const field = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])

const block = z.looseObject({ type: z.string() })

const shapes = {
  'elicitation/create': z.object({
    action: z.enum(['accept', 'decline', 'cancel']),
    content: z.record(z.string(), field).nullish()
  }),
  'sampling/createMessage': z.looseObject({
    role: z.enum(['user', 'assistant']),
    content: z.union([block, z.array(block)]),
    model: z.string()
  }),
  'roots/list': z.looseObject({ roots: z.array(z.looseObject({ uri: z.string() })) })
} as const

export type Question = keyof typeof shapes

/**
 * The answer to `method`, asked with `params`; `form`: the schema of a form, where it is of zod. Throws a
 * refusal where it has not the shape that
 * the specification gives it, or where a form was filled in as its schema does not allow.
 */
export async function checkedAnswer (
  method: Question,
  params: Record<string, unknown>,
  answer: unknown,
  form = params.requestedSchema as Schema | undefined
): Promise<Record<string, unknown>> {
  if (isRecord(answer) && !isModest(answer, maxAnswerValues)) {
    throw new InvalidParamsError({ reason: `an answer to ${method} with too many values` })
  }
  const { success, data } = shapes[method].safeParse(answer)
  // Several blocks come only of tools (MCP 2025-11-25, Sampling with Tools).
  if (!success || ('model' in data && Array.isArray(data.content) && params.tools === undefined)) {
    throw new InvalidParamsError({ reason: `an answer to ${method} that is none` })
  }
  if ('action' in data && data.action === 'accept' && params.mode !== 'url') {
    const checked = await compile(form ?? {}, 'input').check(data.content ?? {})
    if (!checked.ok) {
      throw new InvalidParamsError({ reason: `an answer that does not fit its form: ${checked.problem}` })
    }
    // Of zod: what its defaults and transforms made of the answer.
    return { ...data, content: checked.value }
  }
  return data
}
