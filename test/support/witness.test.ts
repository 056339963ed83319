import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { root } from './process.js'

const token = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiJhZGEifQ', 'c2ln'].join('.')
const longToken = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiJhZGEifQ', 'a-signature-of-more-than-twenty'].join('.')
const key = ['mcp', 'k3vd81qmx0aa', 'A1b2C3d4'].join('_')

/** Runs `code` in a process that the witness watches, in its own directory. */
async function watched (
  directory: string,
  code: string,
  env = process.env
): Promise<{ exitCode: number; stderr: string }> {
  const child = spawn(
    process.execPath,
    [
      '--import',
      import.meta.resolve('tsx'),
      '--import',
      join(root, 'test/support/witness.ts'),
      '--input-type=module',
      '--eval',
      code
    ],
    { cwd: directory, env, stdio: ['ignore', 'ignore', 'pipe'] }
  )
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += String(chunk)
  })
  const [exitCode] = await once(child, 'close')
  return { exitCode, stderr }
}

/** Returns code of a server that answers one request with `code`, which can use `response`. */
function answeringBy (code: string): string {
  return `import { createServer, get } from 'node:http'
    const server = createServer((request, response) => { ${code} })
    server.listen(0, '127.0.0.1', () => {
      get(server.address(), response => { response.resume().on('end', () => { server.close() }) })
    })`
}

function answering (text: string): string {
  return answeringBy(`response.end(${JSON.stringify(text)})`)
}

/** Returns `code` with `support`, the exports of a file in `test/support`. */
function supported (file: string, code: string): string {
  return `const support = await import(${JSON.stringify(join(root, `test/support/${file}.ts`))})\n${code}`
}

for (const [what, code] of [
  ['an answer', answering(`no such token: ${token}`)],
  ['an answer, beside the field that shows it', answering(`{"token":"${token}","hint":"${token}"}`)],
  [
    'an answer, a part of what it shows',
    answering(`{"token":"${longToken}","hint":"${longToken.slice(-20)}"}`)
  ],
  [
    'an answer, in two pieces',
    answeringBy(`response.write('a ${key.slice(0, 17)}'); response.end('${key.slice(17)} b')`)
  ],
  ['an answer, as the code of a link', answering('see mcp_claim_Zm9vYmFy')],
  ['a header', answeringBy(`response.setHeader('x-hint', '${key}'); response.end()`)],
  [
    'a header that is written with the status',
    answeringBy(`response.writeHead(200, { location: '/${token}' }).end()`)
  ],
  [
    'a file, in pieces',
    'import { openSync, writevSync } from \'node:fs\'; writevSync(openSync(\'notes\', \'w\'), ' +
      `[Buffer.from('${key.slice(0, 17)}'), Buffer.from('${key.slice(17)}')])`
  ],
  [
    'a file of another process',
    supported(
      'witness',
      `
    const { execSync } = await import('node:child_process')
    execSync('mkdir below && echo ${key} > below/notes')
    support.witnessFiles('.')`
    )
  ],
  [
    'a file, a key of the tests in part',
    supported(
      'keys',
      `
    const { writeFileSync } = await import('node:fs')
    writeFileSync('notes', support.newKey().key.slice(17, 30))`
    )
  ],
  [
    'a file, a token of the tests in part',
    supported(
      'tokens',
      `
    const { writeFileSync } = await import('node:fs')
    writeFileSync('notes', support.forge().slice(-20))`
    )
  ],
  ['a file', `import { writeFile } from 'node:fs/promises'; await writeFile('notes', '${key}')`],
  ['a file, at once', `import { writeFileSync } from 'node:fs'; writeFileSync('notes', '${key}')`],
  [
    'a file, through its handle',
    'import { open } from \'node:fs/promises\'; const file = await open(\'notes\', \'w\'); await ' +
      `file.write('${token}'); await file.close()`
  ],
  [
    'a file, as bytes',
    `import { writeFileSync } from 'node:fs'; writeFileSync('notes', Buffer.from('${token.slice(0, 30)}'))`
  ],
  [
    'a log line',
    `const { logSink } = await import(${JSON.stringify(join(root, 'test/support/log-sink.ts'))}); ` +
      `logSink().write('{"msg":"${key}"}')`
  ],
  [
    'a log line, of a known secret a part',
    `
    const { secretOfTests } = await import(${JSON.stringify(join(root, 'test/support/witness.ts'))})
    const { logSink } = await import(${JSON.stringify(join(root, 'test/support/log-sink.ts'))})
    logSink().write('{"msg":"' + secretOfTests('a configured secret, in no form').slice(4, 20) + '"}')`
  ]
] as const) {
  t.test(`a test fails if a credential is in ${what}`, async t => {
    const { exitCode, stderr } = await watched(t.testdir(), code)
    t.equal(exitCode, 1)
    t.match(stderr, 'A credential was written')
  })
}

t.test('a test whose source contains a credential passes, even when first compiled', async t => {
  const directory = t.testdir({ 'source.ts': `export const key: string = '${key.replace('k', '\\x6b')}'`, tmp: {} })
  t.match(
    await watched(directory, "await import('./source.ts')", {
      ...process.env,
      TMPDIR: join(directory, 'tmp')
    }),
    { exitCode: 0, stderr: '' }
  )
})

t.test('a test that writes no credential passes', async t => {
  t.match(await watched(t.testdir(), answering('no such token')), { exitCode: 0, stderr: '' })
})

t.test('a test passes if a credential is shown where it belongs', async t => {
  t.match(await watched(t.testdir(), answering(JSON.stringify({ token, text: JSON.stringify({ token }) }))), {
    exitCode: 0,
    stderr: ''
  })
})
