/** Prompts for a secret, and how they end. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { run } from '../../../../src/cli/program.js'
import { readSecret } from '../../../../src/cli/terminal/secret-input.js'
import { keyFile } from '../../../support/keys.js'

/** Returns a terminal on which a person types `text`. */
function typing (text: string): PassThrough & { isTTY: boolean } {
  const keyboard = Object.assign(new PassThrough(), { isTTY: true })
  keyboard.write(text)
  return keyboard
}

t.test('a typed line is the secret', async t => {
  t.equal(await readSecret('', typing('a secret\r')), 'a secret')
})

t.test('all piped input is the secret', async t => {
  const pipe = new PassThrough()
  pipe.end('one\ntwo\n')
  t.equal(await readSecret('', pipe), 'one\ntwo\n')
})

for (const [what, typed] of [['Ctrl-C', '\u0003'], ['Ctrl-D', '\u0004']] as const) {
  t.test(`${what} at the prompt exits silently with 130`, async t => {
    const said: string[] = []
    const say = (line: string): void => { said.push(line) }
    const code = await run(['keys', 'verify', '--file', await keyFile(t)], {
      env: {},
      directory: t.testdir({}),
      print: say,
      complain: say,
      show: async () => true,
      readSecret: async () => await readSecret('', typing(typed))
    })
    t.equal(code, 130)
    t.same(said, [])
  })
}
