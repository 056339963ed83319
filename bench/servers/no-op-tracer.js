/** For `--import`: a tracer provider whose spans do nothing. The package recognizes it, and creates no spans. */
import { ProxyTracerProvider, trace } from '@opentelemetry/api'

trace.setGlobalTracerProvider(new ProxyTracerProvider().getDelegate())
