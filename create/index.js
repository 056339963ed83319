#!/usr/bin/env node
/** `npm create fastify-mcp-auth`: makes a project, or says in one sentence why not. */
import { main } from './src/main.js'

process.exitCode = await main(process.argv.slice(2))
