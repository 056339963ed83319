import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestClient } from 'fastify-mcp-auth'
import { testApp } from './app.js'

test('the server behind this one lists its files to a caller of ours', async t => {
  const client = createTestClient(await testApp(t), { principal: { id: 'ada' } })
  const { text } = await client.callTool('list_directory', { path: '.' })
  assert.match(text, /hello\.txt/)
})
