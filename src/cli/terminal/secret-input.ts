/** Reads a secret from standard input without echo. An argument would be visible in `ps`. */
import { createInterface } from 'node:readline/promises'
import { type Readable, Writable } from 'node:stream'

/** The user cancelled the prompt with Ctrl-C or Ctrl-D. */
export class InputCancelledError extends Error {
  override readonly name = 'InputCancelledError'
}

/**
 * Reads all of a pipe. On a terminal, writes `prompt` to stderr and reads one line. Rejects with a
 * `InputCancelledError` if the user cancels.
 */
export async function readSecret (
  prompt: string,
  input: Readable & { readonly isTTY?: boolean } = process.stdin
): Promise<string> {
  return input.isTTY === true ? await ask(prompt, input) : await readAll(input)
}

async function ask (prompt: string, input: Readable): Promise<string> {
  process.stderr.write(prompt)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done() } })
  const lines = createInterface({ input, output: nowhere, terminal: true })
  try {
    return await lines.question('')
  } catch (error) {
    throw error instanceof Error && error.name === 'AbortError' ? new InputCancelledError() : error
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

async function readAll (stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}
