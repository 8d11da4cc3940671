import type { PartialStrykerOptions } from '@stryker-mutator/api/core'

/*
 * `npm run mutate`: breaks the rules, the operations and the commit in every small way that Stryker knows, one
 * at a time, and counts how often no test fails. docs/reliability.md tells what came of it.
 */
export default {
  mutate: ['shared/domain/**/*.ts', 'shared/operations/**/*.ts', 'shared/store/commit.ts'],
  testRunner: 'vitest',
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
  // Paths in a tsconfig.json it would rewrite with a JavaScript API that TypeScript 7 has no more; none needs it.
  tsconfigFile: 'none',
  concurrency: 2,
  reporters: ['clear-text', 'progress', 'html', 'json'],
  clearTextReporter: { allowColor: false, reportTests: false },
  tempDirName: '.build/mutation/sandbox',
  htmlReporter: { fileName: '.build/mutation/report.html' },
  jsonReporter: { fileName: '.build/mutation/report.json' },
  incrementalFile: '.build/mutation/incremental.json',
  ignorePatterns: ['.build', '.local', 'cdk.out', 'docs'],
  thresholds: { high: 100, low: 90, break: 90 },
} satisfies PartialStrykerOptions
