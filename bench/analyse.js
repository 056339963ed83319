/** Reads a .cpuprofile: self time by package and by function. `node analyse.js file [rows]` prints one. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const idle = new Set(['(idle)', '(root)'])

/**
 * Self time in microseconds, by function and by package. `charged` adds the time in Node's own functions to
 * the function outside Node that called them. Excludes waiting, and everything before the last `seconds`.
 */
export function selfTimes (profile, { seconds = Infinity } = {}) {
  const nodes = new Map(profile.nodes.map(node => [node.id, node]))
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id])))
  const [functions, packages, charged] = [new Map(), new Map(), new Map()]
  const from = profile.endTime - seconds * 1e6
  let [total, clock] = [0, profile.startTime]
  profile.samples.forEach((id, at) => {
    clock += profile.timeDeltas[at]
    const node = nodes.get(id)
    if (clock < from || idle.has(node.callFrame.functionName)) return
    const time = profile.timeDeltas[at + 1] ?? 0
    total += time
    add(functions, nameOf(node), time)
    add(packages, packageOf(placeOf(node)) || node.callFrame.functionName, time)
    add(charged, nameOf(callerOf(node, id)), time)
  })
  return { total, functions, packages, charged }

  function callerOf (node, id) {
    for (let at = id; at !== undefined; at = parents.get(at)) {
      const place = placeOf(nodes.get(at))
      if (place !== '' && !place.startsWith('node:')) return nodes.get(at)
    }
    return node
  }
}

export function printProfile (path, { requests, seconds, rows = 40 } = {}) {
  const { total, functions, packages, charged } = selfTimes(JSON.parse(readFileSync(path, 'utf8')), { seconds })
  const each = requests === undefined ? '' : `, ${(total / requests).toFixed(1)} us per request`
  console.log(`busy ${(total / 1e6).toFixed(2)} s${each}`)
  for (const [title, times, most] of [
    ['packages', packages, 25],
    ['functions, including their calls of Node', charged, rows],
    ['functions', functions, rows]
  ]) {
    console.log(`\n${title}${requests === undefined ? '' : ' (share, us per request)'}`)
    for (const [name, time] of [...times].sort((a, b) => b[1] - a[1]).slice(0, most)) {
      const each = requests === undefined ? '' : (time / requests).toFixed(2).padStart(8)
      console.log(`${(time / total * 100).toFixed(1).padStart(5)} %${each}  ${name}`)
    }
  }
}

/** Prints allocations by function, from a sampling heap profile that includes collected objects. */
export function printAllocations ({ head }, { requests, rows = 40 }) {
  const [functions, charged] = [new Map(), new Map()]
  visit(head, nameOf(head))
  const total = [...functions.values()].reduce((sum, size) => sum + size, 0)
  console.log(`${(total / requests / 1024).toFixed(1)} KB per request`)
  for (const [title, sizes] of [['functions, including their calls of Node', charged], ['functions', functions]]) {
    console.log(`\n${title} (share, bytes per request)`)
    for (const [name, size] of [...sizes].sort((a, b) => b[1] - a[1]).slice(0, rows)) {
      const each = (size / requests).toFixed(0).padStart(8)
      console.log(`${(size / total * 100).toFixed(1).padStart(5)} %${each}  ${name}`)
    }
  }

  function visit (node, caller) {
    const place = placeOf(node)
    const own = place === '' || place.startsWith('node:') ? caller : nameOf(node)
    add(functions, nameOf(node), node.selfSize)
    add(charged, own, node.selfSize)
    for (const child of node.children) visit(child, own)
  }
}

function add (times, key, time) {
  times.set(key, (times.get(key) ?? 0) + time)
}

function nameOf (node) {
  const { functionName, lineNumber } = node.callFrame
  const place = placeOf(node)
  return `${functionName || '(anonymous)'}${place === '' ? '' : `  ${place}${lineNumber > 0 ? `:${lineNumber + 1}` : ''}`}`
}

/** The path below `node_modules/` or below the package's root. Empty if there is no file. */
function placeOf ({ callFrame: { url } }) {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  const at = path.lastIndexOf('node_modules/')
  if (at !== -1) return path.slice(at + 'node_modules/'.length)
  return path.includes('/dist/') ? path.slice(path.lastIndexOf('/dist/') + 1) : path
}

function packageOf (file) {
  if (file.startsWith('dist/')) return file.split('/').slice(0, 3).join('/')
  if (file.startsWith('node:')) return file
  return file.split('/').slice(0, file.startsWith('@') ? 2 : 1).join('/')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  printProfile(
    process.argv[2],
    { rows: Number(process.argv[3] ?? 40) }
  )
}
