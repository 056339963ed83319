/** Files and sections that the docs name exist. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...pagesIn('docs'),
  ...pagesIn('docs/decisions')
]

function pagesIn (folder: string): string[] {
  return readdirSync(join(root, folder)).filter(name => name.endsWith('.md')).map(name => `${folder}/${name}`)
}

const textOf = (page: string): string => readFileSync(join(root, page), 'utf8')

/** Returns the anchors that GitHub generates for the headings of a page. */
function anchorsOf (page: string): Set<string> {
  const text = textOf(page).replace(/^```[\s\S]*?^```/gm, '')
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')))
}

/** Returns true if the path exists, also without its extension or with the extension of the built file. */
function isThere (path: string): boolean {
  return [path, `${path}.ts`, path.replace(/\.js$/, '.ts')].some(one => existsSync(join(root, one))) ||
    path.endsWith('/node_modules')
}

t.test('docs/decisions/0006-dependencies.md names every dependency', async t => {
  const { dependencies, devDependencies, peerDependencies } = JSON.parse(textOf('package.json'))
  const names = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })
  const page = textOf('docs/decisions/0006-dependencies.md')
  t.ok(names.length > 30)
  t.same(names.filter(name => !name.startsWith('@types/') && !page.includes(`\`${name}\``)), [])
})

for (const page of pages) {
  t.test(`${page} links to files and sections that exist`, async t => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
    const broken = links.filter(([, path = '', anchor]) => {
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(root, target))) return true
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor)
    })
    t.same(broken.map(([link]) => link), [])
  })

  t.test(`${page} names only files that exist`, async t => {
    const named = [...textOf(page).matchAll(/`((?:src|plugins|test|examples|deploy|docs)\/[\w./-]+)`/g)].map(([, path = '']) => path)
    t.same(named.filter(path => !isThere(path)), [])
  })
}

t.test('decisions are numbered without gaps', async t => {
  const numbers = pagesIn('docs/decisions').sort().map(page => {
    const [, ofFile] = /\/(\d{4})-[a-z0-9-]+\.md$/.exec(page) ?? []
    const [, ofHeading] = /^# (\d+)\. /.exec(textOf(page)) ?? []
    t.equal(Number(ofFile), Number(ofHeading), page)
    return Number(ofFile)
  })
  t.same(numbers, Array.from(numbers, (_, index) => index + 1))
})

t.test('decision 10 maps old paths to files that exist', async t => {
  const rows = [...textOf('docs/decisions/0010-one-subject-a-folder.md').matchAll(/^\| `.*` \| `(.*)` \|$/gm)]
  const paths = rows.flatMap(([, cell = '']) => cell.split(', '))
  t.ok(paths.length > 100)
  t.same(paths.filter(path => !existsSync(join(root, 'src', path))), [])
})

t.test('each dependency has a reason in a decision', async t => {
  const { dependencies, devDependencies } = JSON.parse(textOf('package.json'))
  const decisions = pagesIn('docs/decisions').map(textOf).join('')
  const names = Object.keys({ ...dependencies, ...devDependencies }).filter(name => !name.startsWith('@types/'))
  t.same(names.filter(name => !decisions.includes(`\`${name}\``)), [])
})
