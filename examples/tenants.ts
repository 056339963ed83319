/** Your own users: keys in a database, a tenant for each caller, and revocation that ends open streams. */
import { createHash, randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import sqlite from 'node-sqlite3-wasm'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
// In your project: from 'fastify-mcp-auth'
import { PublicToolError, defineTool, mcpAuth, type Endpoint, type Tool, type VerifyKey } from '../src/index.js'

// In your project: declare module 'fastify-mcp-auth'
declare module '../src/principal/attributes.js' {
  interface PrincipalAttributes { tenant?: string }
}

type Database = InstanceType<typeof sqlite.Database>

/** Stores digests instead of keys, so that the table reveals no keys. */
const schema = `
  CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, user TEXT NOT NULL,
    tenant TEXT NOT NULL, role TEXT NOT NULL, revoked_at INTEGER);
  CREATE TABLE IF NOT EXISTS notes (tenant TEXT NOT NULL, text TEXT NOT NULL);`

const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex')

export function openDatabase (path = ':memory:'): Database {
  const db = new sqlite.Database(path)
  db.exec(schema)
  return db
}

export interface NewKey { readonly user: string, readonly tenant: string, readonly role?: string }

/** Returns the key, which is not stored, and its id. */
export function createKey (
  db: Database,
  { user, tenant, role = 'user' }: NewKey
): { readonly id: string; readonly key: string } {
  const [id, key] = [randomBytes(8).toString('hex'), `acme_${randomBytes(24).toString('base64url')}`]
  db.run('INSERT INTO api_keys (id, digest, user, tenant, role) VALUES (?, ?, ?, ?, ?)', [
    id,
    digestOf(key),
    user,
    tenant,
    role
  ])
  return { id, key }
}

export interface TenantsApp {
  readonly app: FastifyInstance
  /** Revokes a key in the database and in this process: its streams and calls end at once. */
  readonly revokeKey: (id: string) => void
  readonly tools: readonly Tool[]
}

export async function buildTenants (db: Database): Promise<TenantsApp> {
  const isLive = (id: string | undefined): boolean =>
    db.get('SELECT 1 FROM api_keys WHERE id = ? AND revoked_at IS NULL', [id ?? '']) !== null

  const verifyKey: VerifyKey = (_key, { digest }) => {
    const row = db.get('SELECT id, user, tenant, role FROM api_keys WHERE digest = ? AND revoked_at IS NULL', [digest])
    if (row === null) return null
    // The tenant is part of the caller's id, so tenants do not share sessions or limits.
    return {
      id: `${String(row.tenant)}/${String(row.user)}`,
      keyId: String(row.id),
      role: String(row.role),
      attributes: { tenant: String(row.tenant) }
    }
  }

  const addNote = defineTool({
    name: 'add-note',
    title: 'Add a note',
    description: 'Adds a note for all users of your tenant.',
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    input: z.object({ text: z.string().max(1000) }),
    handler: ({ text }, { principal: { attributes: { tenant } } }) => {
      if (tenant === undefined) throw new PublicToolError('You do not belong to a tenant')
      db.run('INSERT INTO notes (tenant, text) VALUES (?, ?)', [tenant, text])
      return 'Noted.'
    }
  })
  const listNotes = defineTool({
    name: 'list-notes',
    title: 'List the notes',
    description: 'Lists the notes of your tenant.',
    annotations: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
    output: z.object({ notes: z.array(z.string()) }),
    handler: (_args, { principal: { attributes: { tenant = '' } } }) => {
      const rows = db.all('SELECT text FROM notes WHERE tenant = ? ORDER BY rowid', [tenant])
      return { structuredContent: { notes: rows.map(({ text }) => String(text)) } }
    }
  })
  const countTenants = defineTool({
    name: 'count-tenants',
    title: 'Count the tenants',
    description: 'Counts the tenants.',
    annotations: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
    access: { roles: ['auditor', 'admin'] },
    handler: () => String(db.get('SELECT count(DISTINCT tenant) AS tenants FROM api_keys')?.tenants)
  })

  const tools = [addNote, listNotes, countTenants]
  const app = Fastify()
  let endpoint: Endpoint | undefined
  await app.register(mcpAuth, {
    verifyKey,
    // Called every minute for callers with open streams, because another program may revoke a key.
    stillGood: ({ keyId }) => isLive(keyId),
    tools,
    onEndpoint: made => { endpoint = made }
  })
  return {
    app,
    tools,
    revokeKey: id => {
      db.run('UPDATE api_keys SET revoked_at = ? WHERE id = ?', [Date.now(), id])
      endpoint?.forget(id)
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const db = openDatabase('tenants.db')
  const { app } = await buildTenants(db)
  const { key } = createKey(db, { user: 'ada', tenant: 'acme' })
  console.log(`${await app.listen({ port: 3000 })}/mcp takes x-api-key: ${key}`)
}
