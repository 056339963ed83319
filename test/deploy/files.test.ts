/** Checks the files in `deploy/` with the program that reads each, or with a parser. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Script } from 'node:vm'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config/load.js'
import { without } from '../support/programs.js'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../../deploy/', import.meta.url))
const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
const variables = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

interface Container {
  readonly env: ReadonlyArray<{ readonly name: string; readonly value?: string }>
  readonly securityContext: Record<string, unknown>
  readonly readinessProbe: {
    readonly httpGet: { readonly path: string }
    readonly periodSeconds: number
    readonly failureThreshold: number
  }
  readonly livenessProbe: { readonly httpGet: { readonly path: string } }
}
interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly minAvailable?: number
    readonly replicas?: number
    readonly template?: {
      readonly spec: {
        readonly containers: readonly Container[]
        readonly terminationGracePeriodSeconds: number
      }
    }
  }
}

/** As `openssl rand -hex 32` makes it. */
const hex = (): string => randomBytes(32).toString('hex')

/** The settings that the image contains. */
function imageSettings (): Record<string, string> {
  const pairs = [...read('Dockerfile').matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) => line.split(' '))
  return Object.fromEntries(pairs.map(pair => pair.split('=')))
}

interface Ingress {
  readonly spec: {
    readonly rules: ReadonlyArray<{ readonly http: { readonly paths: ReadonlyArray<{ readonly path: string }> } }>
  }
}

t.test('Dockerfile builds in stages, runs unprivileged and checks its health', async t => {
  const lines = read('Dockerfile')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  const stages = lines.filter(line => line.startsWith('FROM '))
  t.equal(stages.length, 2)
  for (const stage of stages) t.match(stage, /^FROM [a-z]+:\d[\w.-]*( AS \w+)?$/, 'a fixed tag')
  t.equal(lines.filter(line => line.startsWith('USER ')).at(-1), 'USER node')
  t.ok(lines.some(line => line.startsWith('HEALTHCHECK ')))
  t.match(
    lines.at(-1),
    /^CMD \["node", "dist\/src\/cli\/main\.js", "start"\]$/,
    'the server runs without a shell'
  )
  t.notOk(lines.some(line => /^(ADD |RUN .*(curl|sudo|chmod 777)|ENV .*(SECRET|KEYS?|TOKEN)=)/.test(line)))
})

t.test('the health check of the Dockerfile is valid JavaScript', async t => {
  const [, script = ''] =
    /HEALTHCHECK[^[]*\["node", "-e", "(.*)"\]/.exec(read('Dockerfile').replaceAll(/\\\n\s*/g, '')) ?? []
  t.doesNotThrow(() => new Script(script))
  await t.rejects(run(process.execPath, ['-e', script], { env: { PORT: '1' } }), { code: 1 }, 'without a server')
})

t.test('systemd accepts the unit', { skip: without('systemd-analyze') }, async t => {
  // The program and the user of the unit do not exist on this machine.
  const unit = read('systemd/fastify-mcp-auth.service')
    .replace('/usr/bin/node', '/bin/true')
    .replace(/^(User|Group)=.*$/gm, '')
  const path = join(t.testdir({}), 'fastify-mcp-auth.service')
  writeFileSync(path, unit)
  const { stderr } = await run('systemd-analyze', ['verify', path])
  t.notMatch(stderr, 'fastify-mcp-auth.service')
})

t.test('compose.yaml names existing services, and secrets only by reference', async t => {
  const { services, volumes } = parse(read('compose.yaml'), { merge: true }) as {
    services: Record<
      string,
      {
        image?: string
        environment?: Record<string, string>
        volumes?: string[]
        depends_on?: string[] | Record<string, unknown>
      }
    >
    volumes: Record<string, unknown>
  }
  for (const [name, service] of Object.entries(services)) {
    t.match(service.image, /^[a-z/-]+(:v?\d[\w.-]*)?$/, name)
    for (const other of Array.isArray(service.depends_on)
      ? service.depends_on
      : Object.keys(service.depends_on ?? {})) { t.ok(services[other], `${name} -> ${other}`) }
    for (const volume of service.volumes ?? []) {
      const [from = ''] = volume.split(':')
      if (!from.startsWith('.')) t.ok(from in volumes, volume)
      else t.doesNotThrow(() => readOrList(from), volume)
    }
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (/SECRET|TOKEN/.test(variable)) t.match(value, /^\$\{/, `${name}: ${variable}`)
    }
  }
  const { 'mcp-1': { environment: settings = {} } = {} } = services
  for (const variable of Object.keys(settings)) t.match(variables, `\`${variable}\``, 'a known setting')
  const given = Object.entries(settings).map(([name, value]) => [name, value.startsWith('${') ? hex() : value])
  t.same(readConfig({ ...imageSettings(), ...Object.fromEntries(given) as Record<string, string> }).problems, [])
})

t.test('Grafana is provisioned with what compose.yaml mounts', async t => {
  const { services } = parse(read('compose.yaml'), { merge: true }) as {
    services: Record<string, { command?: string[], entrypoint?: string[], volumes?: string[] }>
  }
  const { datasources } = parse(read('grafana/provisioning/datasources/prometheus.yaml')) as {
    datasources: ReadonlyArray<{ uid: string, url: string, type: string, isDefault: boolean }>
  }
  const [source] = datasources
  if (source === undefined) throw new Error('no data source')
  t.match(source, { type: 'prometheus', isDefault: true })
  t.ok(services[new URL(source.url).hostname], 'its host is a service')
  t.equal(new URL(source.url).port, '9090', 'the port of Prometheus')
  const { providers } = parse(read('grafana/provisioning/dashboards/mcp.yaml')) as {
    providers: ReadonlyArray<{ type: string, options: { path: string } }>
  }
  const mounts = (services.grafana?.volumes ?? []).map(volume => volume.split(':'))
  t.ok(mounts.some(([from, to]) => from === './grafana/provisioning' && to === '/etc/grafana/provisioning'))
  for (const { type, options } of providers) {
    t.equal(type, 'file')
    const file = mounts.find(([from]) => from === './grafana.json')
    t.ok(file?.[1]?.startsWith(`${options.path}/`), options.path)
  }
  const dashboard = JSON.parse(read('grafana.json')) as {
    readonly uid: string
    readonly panels: ReadonlyArray<{ readonly title: string, readonly datasource?: { readonly uid: string } }>
  }
  t.match(dashboard.uid, /^[\w-]+$/)
  for (const { title, datasource } of dashboard.panels) {
    // The default is our data source; `$…` is a variable of the dashboard.
    t.ok(datasource === undefined || datasource.uid === source.uid || datasource.uid.startsWith('$'), title)
  }
})

function readOrList (path: string): void {
  readFileSync(join(folder, path.replace(/\/provisioning$/, '/provisioning/dashboards/mcp.yaml')))
}

t.test('the Kubernetes manifests have probes, a drain and a disruption budget', async t => {
  const manifests = parseAllDocuments(read('kubernetes/mcp.yaml')).map(document => document.toJS() as Manifest)
  t.same(manifests.map(({ kind }) => kind), ['Deployment', 'Service', 'PodDisruptionBudget', 'Ingress'])
  const [deployment, , budget] = manifests
  const pod = deployment?.spec.template?.spec
  const [container] = pod?.containers ?? []
  if (deployment === undefined || pod === undefined || container === undefined) throw new Error('no container')
  t.equal(container.readinessProbe.httpGet.path, '/ready')
  t.equal(container.livenessProbe.httpGet.path, '/health')
  t.match(container.securityContext, { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false })
  t.ok(Number(budget?.spec.minAvailable) < Number(deployment.spec.replicas))
  const setting = (name: string): number => Number(container.env.find(variable => variable.name === name)?.value)
  const { periodSeconds, failureThreshold } = container.readinessProbe
  t.ok(
    setting('DRAIN_DELAY_MS') > 2 * periodSeconds * failureThreshold * 1000,
    'the probe fails before the listener closes'
  )
  t.ok(pod.terminationGracePeriodSeconds * 1000 > setting('DRAIN_DELAY_MS') + 10_000, 'calls can end')
  for (const { name } of container.env) t.match(variables, `\`${name}\``, 'a known setting')
  // With the secret of the command in the first lines, the server starts.
  const secrets = [...read('kubernetes/mcp.yaml').matchAll(/^#.*?--from-literal=.*$/gm)]
    .flatMap(([line]) => [...line.matchAll(/--from-literal=(\w+)=(\S+)/g)])
    .map(([, name = '', value = '']) => [name, value.startsWith('$(') ? hex() : value])
  const given = container.env.map(({ name, value = '' }) => [name, value])
  t.same(readConfig({ ...imageSettings(), ...Object.fromEntries([...secrets, ...given]) }).problems, [])
})

t.test('each proxy passes every public path on', async t => {
  const ingress = parseAllDocuments(read('kubernetes/mcp.yaml')).map(document => document.toJS() as Ingress).at(-1)
  const prefixes = ingress?.spec.rules.flatMap(({ http }) => http.paths.map(({ path }) => path)) ?? []
  const caddy = /@mcp path (.*)/.exec(read('caddy/Caddyfile'))?.[1]?.split(' ') ?? []
  for (const path of ['/mcp', '/mcp/', '/mcp/server-card', '/.well-known/x', '/oauth/x', '/claim/x']) {
    for (const file of ['nginx/mcp.conf', 'nginx/compose.conf']) {
      const text = read(file)
      const exact = [...text.matchAll(/location = (\S+)\s+{ proxy_pass/g)].map(([, name]) => name)
      const below = [...text.matchAll(/location \^~ (\S+)\s+{ proxy_pass/g)].map(([, name = '']) => name)
      t.ok(exact.includes(path) || below.some(name => path.startsWith(name)), `${file}: ${path}`)
    }
    t.ok(caddy.some(name => name === path || (name.endsWith('*') && path.startsWith(name.slice(0, -1)))), path)
    t.ok(prefixes.some(prefix => path === prefix || path.startsWith(`${prefix}/`)), path)
  }
})

t.test('promtool accepts the Prometheus configuration', { skip: without('promtool') }, async t => {
  const directory = t.testdir({ token: 'x' })
  const path = join(directory, 'prometheus.yml')
  writeFileSync(path, read('prometheus/prometheus.yml').replace('/tmp/token', join(directory, 'token')))
  await run('promtool', ['check', 'config', path])
})

t.test('nginx accepts the file of compose.yaml', { skip: without('nginx') }, async t => {
  const directory = t.testdir({})
  mkdirSync(join(directory, 'logs'))
  const path = join(directory, 'nginx.conf')
  const site = read('nginx/compose.conf')
    .replaceAll(/server mcp-\d:/g, 'server 127.0.0.1:')
    .replace('listen 8080', 'listen unix:' + join(directory, 'socket'))
  writeFileSync(path, `pid ${directory}/pid; error_log stderr; events {} http { access_log off; ${site} }`)
  await run('nginx', ['-t', '-p', directory, '-c', path])
})
