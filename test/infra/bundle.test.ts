import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { bundleFunctions } from '../../infra/bundle.ts'
import { type FunctionName, functionNames, functions } from '../../infra/functions.ts'
import { signalNames } from '../../shared/signals.ts'

let folders: Record<FunctionName, string>
beforeAll(() => {
  folders = bundleFunctions(functionNames)
}, 60_000)

describe('the bundles', () => {
  it.each(functionNames)('%s is one ES module with a handler', (name) => {
    // A regular expression's failure would print the whole bundle.
    expect(/export\s*\{[^}]*\bas handler\b[^}]*\}/.test(codeOf(name))).toBe(true)
  })

  it('keep consume, the function on every request path, under 300 KB', () => {
    expect(statSync(fileOf('consume')).size).toBeLessThan(300 * 1024)
  })

  it.each(functionNames)('%s looks for credentials in the environment only', (name) => {
    const code = codeOf(name)
    const elsewhere = ['sso_start_url', 'AWS_CONTAINER_CREDENTIALS', 'credential_process']
    expect(elsewhere.filter((trace) => code.includes(trace))).toEqual([])
  })

  // The local stack runs the same bundles but knows no rights, so this is where a missing one shows.
  it.each(functionNames)('%s is allowed the calls it makes, and no writes besides', (name) => {
    const { workspaces = [], ledger = [], stripe, continuesItself } = functions[name]
    const code = codeOf(name)
    const calls = (operation: string) => code.includes(`"${operation}"`)
    expect({
      moves: calls('TransactWriteItems'),
      puts: calls('PutItem') || calls('TransactWriteItems'),
      updates: calls('UpdateItem'),
      readsSecret: calls('GetSecretValue'),
      invokes: calls('Invoke'),
    }).toEqual({
      moves: workspaces.includes('UpdateItem') && ledger.includes('PutItem'),
      puts: ledger.includes('PutItem'),
      // An update on its own puts off the next look at open holds, marks a purchase as looked at, or counts a look.
      updates: ledger.includes('DeleteItem') || ledger.includes('UpdateItem'),
      readsSecret: stripe === true,
      invokes: continuesItself === true,
    })
  })

  it.each(functionNames)(
    '%s reports the signals that are counted in its log, all of them',
    (name) => {
      const code = codeOf(name)
      const reported = signalNames.filter((signal) => code.includes(`("${signal}",`))
      expect(reported.sort()).toEqual([...functions[name].signals].sort())
    },
  )

  it('are written only when they change, so that two synths at once do not disturb each other', () => {
    const before = functionNames.map((name) => statSync(fileOf(name)).mtimeMs)
    bundleFunctions(functionNames)
    expect(functionNames.map((name) => statSync(fileOf(name)).mtimeMs)).toEqual(before)
  }, 60_000)
})

function fileOf(name: FunctionName): string {
  return join(folders[name], 'index.mjs')
}

function codeOf(name: FunctionName): string {
  return readFileSync(fileOf(name), 'utf8')
}
