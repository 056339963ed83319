/** Lint that asks the compiler, for what runs in production: slow, so it stands beside eslint.config.js. */
import neostandard, { plugins } from 'neostandard'

const { parser } = neostandard({ ts: true })
  .map(({ languageOptions }) => languageOptions ?? {})
  .find(({ parser }) => parser !== undefined) ?? {}

export default [
  {
    files: ['src/**/*.ts', 'plugins/**/*.ts'],
    languageOptions: { parser, parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    // A promise that nobody waits for ends the process when it rejects. One that never rejects says `void`.
    rules: { '@typescript-eslint/no-floating-promises': 'error' }
  }
]
