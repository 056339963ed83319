/** For `--import`: a tracer provider whose spans do nothing. This package takes it for the SDK of an app. */
import { ProxyTracerProvider, trace } from '@opentelemetry/api'

trace.setGlobalTracerProvider(new ProxyTracerProvider().getDelegate())
