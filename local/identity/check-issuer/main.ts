import { text as textOf } from 'node:stream/consumers'
import type { JSONWebKeySet } from 'jose'
import { checkIssuer } from './issuer.ts'
import { issuersOf, optionsOf } from './options.ts'
import { Report } from './report.ts'
import { checkToken } from './token.ts'

/**
 * `npm run check-issuer -- --issuer https://… [--token -]`: whether API Gateway could use the issuer, and what the
 * service would make of one of its tokens. Prints no token, and takes one from standard input only: what stands on
 * a command line is kept in the shell's history.
 */

const options = optionsOf(process.argv.slice(2))
const report = new Report()
const keys = new Map<string, JSONWebKeySet>()
for (const issuer of issuersOf(options)) {
  console.log(`Issuer ${issuer}`)
  const found = await checkIssuer(issuer, report)
  if (found) keys.set(issuer, found)
}
if (options.readsToken) {
  console.log('Token')
  // As it stands in a header, or alone.
  const token = (await textOf(process.stdin)).trim().replace(/^bearer\s+/i, '')
  await checkToken(token, options, keys, report)
}
console.log(report.failed ? '\nIt will not work like this.' : '\nThis will work.')
process.exit(report.failed ? 1 : 0)
