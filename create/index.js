#!/usr/bin/env node
/** `npm create fastify-mcp-auth`: creates a project, or prints one sentence that says why it cannot. */
import { main } from './src/main.js'

process.exitCode = await main(process.argv.slice(2))
