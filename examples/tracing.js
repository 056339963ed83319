/**
 * Exports the server's spans by OTLP, to http://localhost:4318 or the address in OTEL_EXPORTER_OTLP_ENDPOINT:
 *
 *   npm install @opentelemetry/api @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http
 *   node --import ./examples/tracing.js node_modules/.bin/fastify-mcp-auth start
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })
provider.register()

// The server shuts down within its own grace period; the recorded spans are sent during that time.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => { provider.forceFlush().catch(() => {}) })
