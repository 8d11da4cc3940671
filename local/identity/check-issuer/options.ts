import { parseArgs } from 'node:util'
import { type ClaimsConfig, claimsDefaults } from '../../../shared/config.ts'
import type { Authorizer } from '../../aws/authorizer.ts'

/** What the deployment would be told, as far as tokens go. */
export interface Options {
  people: Authorizer
  services?: Authorizer
  staff?: Authorizer & { rightsClaim: string }
  claims: ClaimsConfig
  readsToken: boolean
}

/** Of the command line. Leaves the program, with what is wrong, where they make no sense. */
export function optionsOf(args: string[]): Options {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args,
      options: {
        issuer: text,
        audience: text,
        token: text,
        'workspace-claim': text,
        'role-claim': text,
        'admin-roles': text,
        'member-roles': text,
        'role-claim-is-list': { type: 'boolean' },
        'scope-prefix': text,
        'service-mark': text,
        'services-issuer': text,
        'services-audience': text,
        'staff-issuer': text,
        'staff-audience': text,
        'staff-rights-claim': text,
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) leave(usage, 0)
    const issuer = url('issuer', values.issuer) ?? leave(usage)
    const token = values.token
    if (token !== undefined && token !== '-') {
      leave('Send the token on standard input, with --token -: a command line is kept and seen.')
    }
    const audience = list(values.audience)
    if (token && !audience) leave('--token needs the --audience that the deployment accepts.')
    const servicesIssuer = url('services-issuer', values['services-issuer'])
    const servicesAudience = list(values['services-audience'])
    if (Boolean(servicesIssuer) !== Boolean(servicesAudience)) {
      leave('--services-issuer and --services-audience come together.')
    }
    const staffAudience = list(values['staff-audience'])
    const [claim, ...value] = values['service-mark']?.split('=') ?? []
    if (claim !== undefined && value.join('=') === '') leave('--service-mark is CLAIM=VALUE.')
    return {
      people: { issuer, audience: audience ?? [] },
      ...(servicesIssuer && {
        services: { issuer: servicesIssuer, audience: servicesAudience! },
      }),
      ...(staffAudience && {
        staff: {
          issuer: url('staff-issuer', values['staff-issuer']) ?? issuer,
          audience: staffAudience,
          rightsClaim: values['staff-rights-claim'] ?? 'rights',
        },
      }),
      claims: {
        workspaceClaim: values['workspace-claim'] ?? claimsDefaults.workspaceClaim,
        roleClaim: values['role-claim'] ?? claimsDefaults.roleClaim,
        adminRoles: list(values['admin-roles']) ?? claimsDefaults.adminRoles,
        memberRoles: list(values['member-roles']) ?? claimsDefaults.memberRoles,
        roleClaimIsList: values['role-claim-is-list'] ?? claimsDefaults.roleClaimIsList,
        scopePrefix: values['scope-prefix'] ?? claimsDefaults.scopePrefix,
        ...(claim && { serviceMark: { claim, value: value.join('=') } }),
        servicesApart: servicesIssuer !== undefined,
      },
      readsToken: token === '-',
    }
  } catch (cause) {
    return leave(`${(cause as Error).message}\n\n${usage}`)
  }
}

function url(option: string, text: string | undefined): string | undefined {
  if (text !== undefined && !URL.canParse(text)) leave(`--${option} ${text} is not a URL.`)
  return text
}

function list(text: string | undefined): string[] | undefined {
  return text
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Each once. */
export function issuersOf({ people, services, staff }: Options): string[] {
  const all = [people, services, staff].flatMap((each) => (each ? [each.issuer] : []))
  return [...new Set(all)]
}

const usage = `Usage: npm run check-issuer -- --issuer URL [options] [--token - < file]

  --issuer URL            the iss claim of people's tokens, to the letter
  --audience A,B          accepted audiences; needed with --token
  --token -               reads an access token from standard input and says what it may do

The rest as in the deployment:
  --workspace-claim, --role-claim, --admin-roles A,B, --member-roles A,B, --role-claim-is-list,
  --scope-prefix, --service-mark CLAIM=VALUE, --services-issuer URL, --services-audience A,B,
  --staff-issuer URL, --staff-audience A,B, --staff-rights-claim CLAIM`

function leave(text: string, code = 2): never {
  console[code === 0 ? 'log' : 'error'](text)
  process.exit(code)
}
