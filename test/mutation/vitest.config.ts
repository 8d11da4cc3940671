import { mergeConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import tests from '../../vitest.config.ts'

/**
 * The tests that are to notice a mutant, the quickest first: the first that fails ends the run. Left out are those
 * that would take minutes for each mutant: the simulation, the races, and all that starts the whole system.
 */
const folders = ['test/domain/', 'test/operations/', 'test/store/']
const exclude = ['test/store/races.test.ts']

class QuickestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      folders.findIndex((folder) => moduleId.includes(`/${folder}`))
    return files.toSorted((one, other) => place(one) - place(other))
  }
}

const config = mergeConfig(tests, { test: { exclude, sequence: { sequencer: QuickestFirst } } })
// Replaced, where merging would add to them.
config.test.include = folders.map((folder) => `${folder}**/*.test.ts`)
export default config
