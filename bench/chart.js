/** Draws the figures as an SVG bar chart, readable on light and dark backgrounds. */
import { contenders } from './contenders.js'
import { figuresOf } from './figures.js'

const width = 760
const left = 300
const row = 26

const style = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.quiet { fill: #59636e }
.bar { fill: #afb8c1 }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .bar { fill: #59636e }
  .ours { fill: #4493f8 }
}`

export function chart (samples, job = 'whoami') {
  const bars = contenders.flatMap(({ id, label, era, ours = false }) => {
    const figures = figuresOf(samples, id, job)
    return figures === undefined ? [] : [{ label: label.replaceAll('`', '').replace(/ \(.*\)/, ''), era, ours, rate: figures.rate }]
  })
  const scale = (width - left - 90) / Math.max(...bars.map(({ rate }) => rate))
  const lines = []
  let y = 30
  for (const [era, revision] of [['2025', 'Revision 2025-11-25'], ['2026', 'Revision 2026-07-28']]) {
    const group = bars.filter(bar => bar.era === era)
    if (group.length === 0) continue
    lines.push(`<text class="title" x="16" y="${y}">${revision}: ${job}, requests per second</text>`)
    y += 14
    for (const { label, ours, rate } of group) {
      const length = Math.max(1, rate * scale).toFixed(1)
      lines.push(
        `<text x="${left - 10}" y="${y + 17}" text-anchor="end">${label}</text>`,
        `<rect class="${ours ? 'ours' : 'bar'}" x="${left}" y="${y + 4}" width="${length}" height="${row - 8}" rx="3"/>`,
        `<text class="quiet" x="${left + Number(length) + 8}" y="${y + 17}">${Math.round(rate).toLocaleString('en')}</text>`
      )
      y += row
    }
    y += 30
  }
  const height = y - 20
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Requests per second of each server">
<style>${style}
</style>
${lines.join('\n')}
</svg>
`
}
