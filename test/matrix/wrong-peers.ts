/** The error of the package with an unsupported version of zod or Fastify. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const program = `
import Fastify from 'fastify'
const { mcpAuth } = await import('fastify-mcp-auth')
await Fastify().register(mcpAuth, { apiKeys: ['a-key-of-the-install-matrix'] })
`

/** By name: installs the peers, runs the program, and throws if its error is not the expected one. */
export const wrongPeers: Readonly<Record<string, (folder: string, tarball: string) => Promise<void>>> = {
  'zod-3': async (folder, tarball) => {
    await says(join(folder, 'zod-3'), [tarball, 'zod@3', 'fastify@5'],
      'Error: fastify-mcp-auth needs zod 4, and zod 3 is installed here: run `npm install zod@4`')
  },
  'fastify-4': async (folder, tarball) => {
    await says(join(folder, 'fastify-4'), [tarball, 'zod@4', 'fastify@4'],
      /Error: fastify-mcp-auth needs Fastify 5, and this app uses 4\.[\d.]+: run `npm install fastify@5`/)
  }
}

async function says (project: string, packages: readonly string[], expected: string | RegExp): Promise<void> {
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'matrix', private: true, type: 'module' }))
  writeFileSync(join(project, 'main.js'), program)
  // Without this flag, npm itself would refuse the peers.
  await run('npm', ['install', '--no-audit', '--no-fund', '--legacy-peer-deps', ...packages], { cwd: project })
  const failure: unknown = await run('node', ['main.js'], { cwd: project }).catch((error: unknown) => error)
  assert.ok(failure instanceof Error && 'stderr' in failure, 'the program fails')
  const stderr = String(failure.stderr)
  assert.ok(typeof expected === 'string' ? stderr.includes(expected) : expected.test(stderr), stderr)
}
