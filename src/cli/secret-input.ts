/** Reads a secret without an argument and without an echo: arguments are in the list of processes, and in the shell's history. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** Whatever is piped in; from a person at the terminal one line, asked for with `prompt` on stderr. */
export async function readSecret (prompt: string): Promise<string> {
  return process.stdin.isTTY ? await ask(prompt) : await readAll(process.stdin)
}

async function ask (prompt: string): Promise<string> {
  process.stderr.write(prompt)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done() } })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  try {
    return await lines.question('')
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
