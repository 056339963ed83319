/** Mints a JWT for somebody else; for admins. */
import { z } from 'zod'
import { PublicToolError } from '../errors.js'
import { checkUserId, generateToken, parseLifetime } from '../principal/token.js'
import { type Tool, defineTool } from './tool.js'

export interface GenerateTokenOptions {
  readonly secret: string
  /** The longest lifetime that may be asked for, in seconds. */
  readonly maxTtlSeconds: number
}

export function createGenerateToken ({ secret, maxTtlSeconds }: GenerateTokenOptions): Tool {
  return defineTool({
    name: 'generate-token',
    title: 'Generate a token',
    description: 'Mints a JWT with which another user can call this server. The result is a secret: hand it to that user over a private channel, do not repeat, store or log it.',
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      userId: z.string().superRefine(refine(checkUserId)).meta({ minLength: 1, maxLength: 256 }).describe('Who the token is for: 1 to 256 characters, no control characters'),
      role: z.enum(['admin', 'user']).default('user').describe('The role of the token'),
      expiresIn: z.string().superRefine(refine(parseLifetime)).default('24h').describe('How long it is good: 30m, 1h, 7d, or seconds as in 3600')
    }),
    output: z.object({
      token: z.string().describe('The JWT. A secret.'),
      userId: z.string(),
      role: z.enum(['admin', 'user']),
      expiresAt: z.string().describe('RFC 3339')
    }),
    handler: ({ userId, role, expiresIn }) => {
      const seconds = parseLifetime(expiresIn)
      if (seconds > maxTtlSeconds) throw new PublicToolError(`expiresIn: at most ${maxTtlSeconds} seconds`)
      const token = generateToken(userId, role, String(seconds), { secret })
      return { structuredContent: { token, userId, role, expiresAt: expiryOf(token) } }
    }
  })
}

/** A check that throws, as a refinement whose message is the error's. */
function refine (check: (value: string) => unknown) {
  return (value: string, context: z.core.$RefinementCtx<string>): void => {
    try {
      check(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'invalid' })
    }
  }
}

function expiryOf (token: string): string {
  const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  const { exp } = payload as { exp: number }
  return new Date(exp * 1000).toISOString()
}
