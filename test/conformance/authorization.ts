/** Runs the suite's scenarios for authorization servers, with a registered client and simulated sign-ins. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/app.js'
import { addClient } from '../../src/oauth/server/clients/registered.js'
import { documentsInFiles } from '../../src/oauth/server/documents/in-files.js'
import { signInAt } from '../clients/sign-in.js'
import { freePort } from '../support/ports.js'
import type { Suite } from './suite.js'

const clientId = 'conformance'
const key = 'key-of-the-conformance-run'

/** The problems as sentences; empty if every check passes. */
export async function authorizationComplaints (suite: Suite): Promise<readonly string[]> {
  const [port, callbackPort] = [await freePort(), await freePort()]
  const directory = mkdtempSync(join(tmpdir(), 'conformance-'))
  const base = `http://127.0.0.1:${port}`
  const env = {
    API_KEYS: key,
    JWT_SECRET: 'a-secret-of-the-conformance-run-of-32-bytes',
    OAUTH_SERVER: 'on',
    PUBLIC_URL: base,
    STATE_DIR: join(directory, 'state'),
    LOG_LEVEL: 'silent'
  }
  const app = await buildApp({ env })
  try {
    const documents = documentsInFiles({ directory: join(directory, 'state', 'oauth') })
    await addClient(documents, {
      id: clientId,
      name: 'The conformance suite',
      redirectUris: ['http://127.0.0.1/callback']
    })
    await documents.close()
    await app.listen({ port, host: '127.0.0.1' })
    let isAsked = false
    const follow = (text: string): void => {
      const [address] = new RegExp(`${base}/oauth/authorize\\S+(?=\\s)`).exec(text) ?? []
      if (address === undefined || isAsked) return
      isAsked = true
      signInAt(address, key).catch(error => { process.stderr.write(`${String(error)}\n`) })
    }
    const printed = await suite.run(
      ['authorization', '--url', base, '--client-id', clientId, '--port', String(callbackPort)],
      follow
    )
    return judge(printed)
  } finally {
    await app.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const scenarios = ['authorization-server-metadata-endpoint', 'authorization-code-grant']

function judge (printed: string): readonly string[] {
  // A skipped scenario reports no passed check.
  const isWell = scenarios.every(name => new RegExp(`${name}: [1-9]\\d* passed, 0 failed\\s*$`, 'm').test(printed))
  return isWell
    ? []
    : [`The scenarios for authorization servers (${scenarios.join(', ')}) do not all pass:\n${printed}`]
}
