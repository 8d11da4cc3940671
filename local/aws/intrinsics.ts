import { accountId, region } from './account.ts'

export interface Template {
  Resources: Record<string, Resource>
}

interface Resource {
  Type: string
  Properties?: Record<string, unknown>
  Metadata?: Record<string, unknown>
}

/**
 * Replaces `Ref`, `Fn::GetAtt`, `Fn::Join` and `Fn::Sub` by what they stand for here. Any other function
 * throws: guessing its value would make the local system differ from the deployed one without a word.
 */
export function resolver(template: Template): (value: unknown) => unknown {
  const ref = (id: string): string => pseudoParameters[id] ?? localName(template, id)
  const attribute = (id: string, name: string): string => {
    const type = template.Resources[id]?.Type
    if (name === 'Arn' && type === 'AWS::Lambda::Function') return functionArn(ref(id))
    return `${ref(id)}.${name}`
  }
  const substitute = (text: string, values: Record<string, unknown> = {}): string =>
    text.replace(/\$\{(!?)([^}]+)\}/g, (_whole, escaped: string, name: string) => {
      if (escaped) return `\${${name}}`
      if (name in values) return String(resolve(values[name]))
      const [id, ...path] = name.split('.') as [string, ...string[]]
      return path.length > 0 ? attribute(id, path.join('.')) : ref(id)
    })

  const intrinsics: Record<string, (argument: never) => unknown> = {
    Ref: ref,
    'Fn::GetAtt': ([id, name]: [string, string]) => attribute(id, name),
    'Fn::Join': ([separator, parts]: [string, unknown[]]) => parts.map(resolve).join(separator),
    'Fn::Sub': (argument: string | [string, Record<string, unknown>]) =>
      typeof argument === 'string' ? substitute(argument) : substitute(...argument),
  }

  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    const [key, argument] = entries[0] ?? []
    if (entries.length === 1 && key && (key === 'Ref' || key.startsWith('Fn::'))) {
      const intrinsic = intrinsics[key]
      if (!intrinsic) throw new Error(`The template uses ${key}, which has no meaning here yet.`)
      return intrinsic(argument as never)
    }
    return Object.fromEntries(entries.map(([name, each]) => [name, resolve(each)]))
  }
  return resolve
}

/** What CloudFormation would know only once it has deployed. */
const pseudoParameters: Record<string, string> = {
  'AWS::AccountId': accountId,
  'AWS::Region': region,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': 'local',
}

export const functionArn = (name: string) =>
  `arn:aws:lambda:${region}:${accountId}:function:${name}`
export const functionOfArn = (arn: string) => /:function:([^:/]+)/.exec(arn)?.[1] ?? arn

/**
 * The name a resource goes by here: the one it was given, or else its construct's. Whatever has neither,
 * such as an integration, goes by its logical id.
 */
export function localName(template: Template, id: string): string {
  const resource = template.Resources[id]
  const nameProperty = nameProperties[resource?.Type ?? '']
  if (!resource || !nameProperty) return id
  const given = resource.Properties?.[nameProperty]
  return typeof given === 'string' ? given : (constructName(resource) ?? id)
}

const nameProperties: Record<string, string> = {
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::SecretsManager::Secret': 'Name',
}

/** `consume` from the path `TokenTopUp/Service/consume/Function/Resource`. */
function constructName(resource: Resource): string | undefined {
  const path = resource.Metadata?.['aws:cdk:path']
  if (typeof path !== 'string') return undefined
  return path
    .split('/')
    .filter((part) => part !== 'Resource' && part !== 'Function')
    .at(-1)
}
