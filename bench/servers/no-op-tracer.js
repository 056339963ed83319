/** For `--import`: a tracer provider whose spans do nothing. The package treats it like an app's SDK. */
import { ProxyTracerProvider, trace } from '@opentelemetry/api'

trace.setGlobalTracerProvider(new ProxyTracerProvider().getDelegate())
