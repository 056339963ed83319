/** Prepares messages and errors of an upstream for the log. */
import { SdkError, SdkErrorCode, SdkHttpError, SseError } from '@modelcontextprotocol/client'
import type { Upstream } from './options.js'

const mask = '[redacted]'
const maxLength = 2048
const minSecretLength = 6

/**
 * Returns a function that masks the secrets of the upstream's options in a text: values of `env`, `headers` and the
 * query of `url`, values from our environment, and arguments such as `--token=…`.
 */
export function redactorOf (
  { env = {}, headers = {}, args = [], url, secrets: filledIn }: Upstream
): (text: string) => string {
  const query = url === undefined ? [] : [...new URL(url).searchParams.values()]
  const secrets = [...Object.values(env), ...Object.values(headers), ...query, ...filledIn, ...secretArguments(args)]
    .flatMap(value => [value, ...value.split(/\s+/)])
    .filter(value => value.length >= minSecretLength)
    .sort((a, b) => b.length - a.length)
  return text => secrets.reduce((rest, secret) => rest.replaceAll(secret, mask), text).slice(0, maxLength)
}

const secretFlag = /^-[^=]*(?:token|key|secret|password|credential)[^=]*$/i

/** The argument after a flag such as `--api-key`, and the value of `--token=…`. */
function secretArguments (args: readonly string[]): string[] {
  return args.flatMap((text, n) => {
    const [flag = '', ...value] = text.split('=')
    if (value.length > 0 && secretFlag.test(flag)) return [value.join('=')]
    return secretFlag.test(args[n - 1] ?? '') ? [text] : []
  })
}

/** Joins the messages of an error and its causes, each with its HTTP status. */
export function reasonOf (error: unknown): string {
  const words = causesOf(error).map(cause => {
    const status = statusOf(cause)
    // Before the message, whose end may be cut off.
    const message = isSchemaError(cause) ? 'It sent a message that is not valid JSON-RPC' : cause.message
    return status === undefined || message.includes(`HTTP ${status}`) ? message : `HTTP ${status}, ${message}`
  })
  return words.length === 0 ? 'unknown' : words.join(': ')
}

/** The HTTP status with which the upstream failed. */
export function httpStatusOf (error: unknown): number | undefined {
  return causesOf(error).map(statusOf).find(status => status !== undefined)
}

/** The SDK's error for a message that is not JSON-RPC lists every schema that does not match. */
function isSchemaError ({ name }: Error): boolean {
  return /^\$?ZodError$/.test(name)
}

/** True if the response cannot be parsed, or is not of the media type that it has to be. */
export function isUnreadable (error: unknown): boolean {
  return causesOf(error).some(cause =>
    isSchemaError(cause) ||
    cause instanceof SyntaxError ||
    (cause instanceof SdkError && unreadableCodes.has(cause.code))
  )
}

const unreadableCodes: ReadonlySet<string> = new Set([
  SdkErrorCode.ClientHttpUnexpectedContent, SdkErrorCode.InvalidResult
])

function causesOf (error: unknown): Error[] {
  const causes: Error[] = []
  for (let cause = error; cause instanceof Error && causes.length < 4; cause = cause.cause) causes.push(cause)
  return causes
}

function statusOf (error: Error): number | undefined {
  if (error instanceof SseError) return error.code
  return error instanceof SdkHttpError ? error.status : undefined
}

/** Advice for the operator, by the text of the error. The first match applies. */
const advice: ReadonlyArray<readonly [RegExp, string]> = [
  [/redirect/i, 'Set `url` to the address that it redirects to.'],
  [/\b40[13]\b|unauthorized|forbidden/i, 'It refuses the credentials of this server: check `headers`.'],
  [/ENOENT|code 127|not found\b.*command|command was not found/i, 'Check `command`, `cwd` and PATH.'],
  [/EACCES|code 126/, 'Make the command executable for this user.'],
  [/not a message/, 'It must write its own log to standard error, not to standard output.'],
  [/too long|too large/, 'Raise UPSTREAM_MAX_RESULT, or ask for less.'],
  [/timed out|in time|timeout/i, 'Raise `startTimeoutMs`, or run it by hand to see why it does not respond.'],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|fetch failed/, 'Check `url`, and that the server runs.'],
  [/\b5\d\d\b/, 'See the log of that server.']
]

export function adviceFor (reason: string): string {
  return advice.find(([pattern]) => pattern.test(reason))?.[1] ?? 'Run it by hand to see its output.'
}

/**
 * Limits `tell` to `max` lines in `windowMs`. Calls `tellLeftOut` with 1 at the first dropped line, and with
 * the number of dropped lines before the first line of the next window.
 */
export function boundedLines (
  tell: (line: string) => void,
  tellLeftOut: (count: number) => void,
  max = 100,
  windowMs = 10_000
): (line: string) => void {
  let [since, told, leftOut] = [0, 0, 0]
  return line => {
    const now = Date.now()
    if (now - since >= windowMs) {
      if (leftOut > 0) tellLeftOut(leftOut)
      since = now
      told = 0
      leftOut = 0
    }
    told += 1
    if (told <= max) tell(line)
    else leftOut += 1
    if (told === max + 1) tellLeftOut(1)
  }
}
