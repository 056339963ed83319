/** Draws the panels of a dashboard as one SVG. */

export interface Series {
  readonly name: string
  /** Pairs of `[seconds, value]`. */
  readonly points: ReadonlyArray<readonly [at: number, value: number]>
}

export interface Panel {
  readonly title: string
  /** Shows a number instead of a curve. */
  readonly isFigure: boolean
  readonly unit: string
  /** In a grid of 24 columns. */
  readonly place: { readonly x: number, readonly y: number, readonly w: number, readonly h: number }
  readonly series: readonly Series[]
}

const column = 42
const row = 26
const colours = ['#1f77b4', '#d95f02', '#2ca02c', '#c2185b', '#7b4fb5', '#8c564b', '#00838f', '#9e9d24']

export function draw (panels: readonly Panel[]): string {
  const height = Math.max(...panels.map(({ place }) => (place.y + place.h) * row)) + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${24 * column + 8} ${height}" ` +
    'font-family="system-ui, sans-serif" font-size="11">\n' +
    `<rect width="100%" height="100%" fill="#f3f4f6"/>\n${panels.map(drawPanel).join('\n')}\n</svg>\n`
}

function drawPanel (panel: Panel): string {
  const { title, place, isFigure } = panel
  const [x, y, width, height] = [place.x * column + 8, place.y * row + 8, place.w * column - 8, place.h * row - 8]
  return `<g transform="translate(${x} ${y})"><rect width="${width}" height="${height}" rx="4" fill="#fff" ` +
    `stroke="#d1d5db"/>${heading(title, isFigure)}` +
    `${isFigure ? figures(panel, width, height) : curves(panel, width, height)}</g>`
}

/** Narrow panels split the title into two lines. */
function heading (title: string, isFigure: boolean): string {
  const lines = isFigure ? title.split(/(?<=:) /) : [title]
  return lines.map((line, at) =>
    `<text x="10" y="${18 + 15 * at}" font-weight="600" fill="#111827">${escaped(line)}</text>`).join('')
}

function figures ({ series, unit }: Panel, width: number, height: number): string {
  if (series.length === 0) return nothing(width, height)
  return series.map(({ name, points }, at) => {
    const x = width * (at + 0.5) / series.length
    return `<text x="${x}" y="${height / 2 + 12}" text-anchor="middle" font-size="26" fill="#111827">` +
      `${amount(points.at(-1)?.[1] ?? 0, unit)}</text><text x="${x}" y="${height / 2 + 32}" ` +
      `text-anchor="middle" fill="#4b5563">${escaped(name)}</text>`
  }).join('')
}

function curves ({ series, unit }: Panel, width: number, height: number): string {
  const points = series.flatMap(one => one.points).filter(([, value]) => Number.isFinite(value))
  if (points.length === 0) return nothing(width, height)
  const most = Math.max(...points.map(([, value]) => value)) * 1.1 || 1
  const [first, last] = [Math.min(...points.map(([at]) => at)), Math.max(...points.map(([at]) => at))]
  const [left, right, top, bottom] = [58, width - 12, 32, height - 34]
  const xOf = (at: number): string => (left + (right - left) * (at - first) / (last - first || 1)).toFixed(1)
  const yOf = (value: number): string => (bottom - (bottom - top) * value / most).toFixed(1)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(part => {
    const y = yOf(most * part)
    return `<path d="M${left} ${y}H${right}" stroke="#e5e7eb"/><text x="${left - 6}" y="${Number(y) + 4}" ` +
      `text-anchor="end" fill="#6b7280">${amount(most * part, unit)}</text>`
  })
  const paths = series.map((one, at) => {
    const line = one.points.filter(([, value]) => Number.isFinite(value))
    const path = line.map(([x, value], index) => `${index === 0 ? 'M' : 'L'}${xOf(x)} ${yOf(value)}`).join('')
    return `<path d="${path}" fill="none" stroke="${colourOf(at)}" stroke-width="1.6"/>`
  })
  let x = left
  const legend = series.slice(0, 6).map(({ name }, at) => {
    const text = `<circle cx="${x}" cy="${height - 14}" r="4" fill="${colourOf(at)}"/>` +
      `<text x="${x + 8}" y="${height - 10}" fill="#374151">${escaped(name)}</text>`
    x += 24 + name.length * 6
    return text
  })
  return [...grid, ...paths, ...legend].join('')
}

function nothing (width: number, height: number): string {
  return `<text x="${width / 2}" y="${height / 2 + 6}" text-anchor="middle" fill="#6b7280">No data</text>`
}

function colourOf (at: number): string {
  return colours[at % colours.length] ?? '#000'
}

function amount (value: number, unit: string): string {
  if (!Number.isFinite(value)) return 'none'
  if (unit === 's') return value < 1 ? `${(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`
  if (unit === 'bytes') return `${(value / 1024 / 1024).toFixed(0)} MiB`
  if (unit === 'percentunit') return `${(value * 100).toFixed(1)} %`
  const figure = Number.isInteger(value) ? String(value) : value.toPrecision(2)
  return unit === 'reqps' ? `${figure}/s` : figure
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
