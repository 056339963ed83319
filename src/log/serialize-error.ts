/** Serializes errors safely for the log. */

export interface LoggableError {
  readonly type: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly cause?: LoggableError
}

/**
 * An error as plain data, with an allowlist of fields, because libraries attach requests with their headers
 * to errors. Never throws, even for throwing getters, proxies and thrown strings.
 */
export function loggable (error: unknown, depth = 0): LoggableError {
  if (typeof error !== 'object' || error === null) {
    return { type: error === null ? 'null' : typeof error, message: textOf(error) }
  }
  const stack = field(error, 'stack')
  const code = field(error, 'code')
  const cause = depth < 3 ? read(error, 'cause') : undefined
  return {
    type: field(error, 'name') ?? field(error, 'type') ?? 'Object',
    message: field(error, 'message') ?? '',
    ...(stack === undefined ? {} : { stack }),
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause: loggable(cause, depth + 1) })
  }
}

/** A thrown function may have its own `toString`, which could throw. */
function textOf (thrown: unknown): string {
  try {
    return shorten(String(thrown))
  } catch {
    return ''
  }
}

function field (error: object, key: string): string | undefined {
  const value = read(error, key)
  return typeof value === 'string' ? shorten(value) : undefined
}

function read (error: object, key: string): unknown {
  try {
    return (error as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

/** Truncates a text, because a message may quote a whole body. */
function shorten (text: string): string {
  return text.length > 8192 ? `${text.slice(0, 8192)}…` : text
}
