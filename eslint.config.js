/** Lint: neostandard, rules that the compiler does not check, and the import rules of eslint.rooms.js. */
import neostandard, { plugins } from 'neostandard'
import { plugin as rooms } from './eslint.rooms.js'

/** The files that may read the environment. All others take options. */
const readEnvironment = [
  'plugins/env.ts',
  'src/server/start.ts',
  'src/cli/**/*.ts',
  'src/tokens/generate.ts',
  'src/upstreams/transport/process-environment.ts'
]
const environment = 'Only the files in `readEnvironment` of eslint.config.js may read the environment: take an option.'

/** A line that is one text which cannot be broken, such as a document or a line of metrics. */
const longString = /^\s*(?:[\w$]+: )?(['\x60]).{100,}\1,?$/.source

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.tap', 'bench/node_modules'] }),
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': [
        'error',
        { 'ts-expect-error': 'allow-with-description', 'ts-ignore': true, 'ts-nocheck': true }
      ]
    }
  },
  {
    files: ['*.js', '{bench,examples}/**/*.js', '{src,plugins,test,examples}/**/*.ts', 'create/**/*.{js,ts}'],
    rules: {
      'no-nested-ternary': 'error',
      '@stylistic/max-len': ['error', {
        code: 120,
        ignoreUrls: true,
        ignoreRegExpLiterals: true,
        ignoreTemplateLiterals: true,
        ignorePattern: longString
      }],
      // A promise that never rejects: see eslint.types.js.
      'no-void': ['error', { allowAsStatement: true }]
    }
  },
  {
    files: ['{src,plugins}/**/*.ts'],
    rules: { '@stylistic/max-len': ['error', { code: 120 }] }
  },
  {
    // Every kind of file that Node can run, so that none escapes the rule.
    files: ['{src,plugins}/**/*.{ts,mts,cts,tsx,js,mjs,cjs,jsx}'],
    plugins: { rooms },
    rules: { 'rooms/imports': 'error' }
  },
  {
    files: ['src/**/*.ts', 'plugins/**/*.ts'],
    ignores: readEnvironment,
    rules: {
      'no-restricted-syntax': ['error',
        { selector: 'MemberExpression[object.name="process"][property.name="env"]', message: environment },
        { selector: 'MemberExpression[object.name="process"][computed=true]', message: environment },
        // `const { env } = process`
        { selector: ':not(MemberExpression) > Identifier[name="process"]', message: environment },
        { selector: 'MemberExpression[object.name=/^global/][property.name="process"]', message: environment },
        {
          selector: ':matches(ImportDeclaration, ImportExpression, ExportNamedDeclaration)[source.value=/^(node:)?process$/]',
          message: environment
        }
      ]
    }
  }
]
