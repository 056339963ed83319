/**
 * Reads a secret without an argument and without an echo: arguments are in the list of processes, and in
 * the shell's history.
 */
import { createInterface } from 'node:readline/promises'
import { type Readable, Writable } from 'node:stream'

/** The person at the terminal ended the question with Ctrl-C or Ctrl-D. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError'
}

/**
 * Whatever is piped in; from a person at the terminal one line, asked for with `prompt` on stderr. Throws a
 * `CancelledError`.
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
    throw error instanceof Error && error.name === 'AbortError' ? new CancelledError() : error
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
