/** Validates a client's answers to questions before a handler gets them. */
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

export type QuestionMethod = keyof typeof shapes

/**
 * The answer to `method`, sent with `params`. `form`: the zod schema of a form. Throws a
 * refusal if the answer is not valid by the specification, or if the content of a form does not match its schema.
 */
export async function checkedAnswer (
  method: QuestionMethod,
  params: Record<string, unknown>,
  answer: unknown,
  form = params.requestedSchema as Schema | undefined
): Promise<Record<string, unknown>> {
  if (isRecord(answer) && !isModest(answer, maxAnswerValues)) {
    throw new InvalidParamsError({ reason: `an answer to ${method} with too many values` })
  }
  const { success, data } = shapes[method].safeParse(answer)
  // Only sampling with tools has several blocks (MCP 2025-11-25, Sampling with Tools).
  if (!success || ('model' in data && Array.isArray(data.content) && params.tools === undefined)) {
    throw new InvalidParamsError({ reason: `an invalid answer to ${method}` })
  }
  if ('action' in data && data.action === 'accept' && params.mode !== 'url') {
    const checked = await compile(form ?? {}, 'input').check(data.content ?? {})
    if (!checked.ok) {
      throw new InvalidParamsError({ reason: `an answer that does not match its form: ${checked.problem}` })
    }
    // For zod: the parsed value, with defaults and transforms.
    return { ...data, content: checked.value }
  }
  return data
}
