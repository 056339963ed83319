import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestClient } from 'fastify-mcp-auth'
import { testApp } from './app.js'

test('greet says hello by name', async t => {
  const client = createTestClient(await testApp(t), { principal: { id: 'ada' } })
  const { text } = await client.callTool('greet', { name: 'Ada' })
  assert.equal(text, 'Hello, Ada!')
})

test('greet refuses an empty name', async t => {
  const client = createTestClient(await testApp(t), { principal: { id: 'ada' } })
  const { isError } = await client.callTool('greet', { name: '' })
  assert.equal(isError, true)
})
