/**
 * Exports the spans of the server by OTLP, to http://localhost:4318 or where OTEL_EXPORTER_OTLP_ENDPOINT says:
 *
 *   npm install @opentelemetry/api @opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http
 *   node --import ./examples/tracing.js node_modules/.bin/fastify-mcp-auth start
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })
provider.register()

// The server ends within its own grace; what was recorded until then is sent meanwhile.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => { provider.forceFlush().catch(() => {}) })
