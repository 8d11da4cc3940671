import { join } from 'node:path'
import { openApiPage } from './api-page.ts'
import { asEnvironment, localCredentials, region } from './aws/account.ts'
import { type DynamoDbConnection, externalDynamoDb, startDynamoDb } from './aws/dynamodb.ts'
import { openGateway } from './aws/gateway.ts'
import { handleLambdaApi } from './aws/lambda-api.ts'
import { type LambdaHost, type LogLine, startLambdaHost } from './aws/lambda-host.ts'
import { type Schedules, startSchedules } from './aws/schedules.ts'
import { handleSecretsApi } from './aws/secrets.ts'
import { type LocalProps, synthesize } from './aws/synthesize.ts'
import { createTables } from './aws/tables.ts'
import type { Deployment } from './aws/template.ts'
import { type Clock, openClock } from './clock.ts'
import { openControl } from './control.ts'
import { openDataFolder } from './data-folder.ts'
import { type HttpServer, message, type RequestHandler, serve } from './http.ts'
import {
  audience,
  type Identity,
  isServicePersona,
  openIdentity,
  pageClient,
} from './identity/issuer.ts'
import { openSignIn } from './identity/sign-in.ts'
import { seed } from './seed.ts'
import { SetupError } from './setup-error.ts'
import { openSite } from './site.ts'
import { type StripeStandIn, startStripeStandIn } from './stripe/index.ts'
import { openStripeSecret, type StripeTestKeys, stripeSecretName } from './stripe/keys.ts'

export interface StackOptions {
  /** 0 or nothing takes any free port. */
  port?: number
  /** Where data is kept. Without it, everything is forgotten when the stack stops. */
  dataFolder?: string
  /** A DynamoDB to use in place of one started here. */
  dynamoDb?: DynamoDbConnection
  /** With them, Stripe's own test mode takes the place of the stand-in. */
  stripeTestKeys?: StripeTestKeys
  /** Services have an issuer of their own, as with some identity providers. */
  servicesApart?: boolean
  /** What the functions log. */
  log?: (line: LogLine) => void
  /** What synthesizes the app, where that need not be done anew. */
  synthesize?: typeof synthesize
  /** Told what is being done while the stack starts. */
  progress?: (text: string) => void
}

export interface Stack {
  /** Without a slash at the end. */
  url: string
  deployment: Deployment
  clock: Clock
  /** Signs people in. */
  identity: Identity
  /** Gives services their tokens; the same one unless they are apart. */
  servicesIdentity: Identity
  functions: LambdaHost
  schedules: Schedules
  /** Absent where Stripe's own test mode is used. */
  stripe?: StripeStandIn
  /** Where the tables are. */
  dynamoDbEndpoint: string
  /** Lets calls under way finish, then ends everything that was started. May be called twice. */
  stop(): Promise<void>
}

/**
 * Brings up everything the CDK app would deploy, and what surrounds it, on one machine.
 * Throws `SetupError` for what the person starting it can mend; whatever had started is stopped again.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const closers: (() => unknown)[] = []
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= closeAll(closers)
    return stopping
  }
  try {
    return { ...(await start(options, closers)), stop }
  } catch (cause) {
    await stop()
    throw cause
  }
}

/** Last in, first out: nothing is closed while something that uses it still runs. */
async function closeAll(closers: (() => unknown)[]): Promise<void> {
  for (const close of closers.reverse()) await close()
}

async function start(
  options: StackOptions,
  closers: (() => unknown)[],
): Promise<Omit<Stack, 'stop'>> {
  const progress = options.progress ?? (() => {})
  const log = options.log ?? (() => {})
  const folder = openDataFolder(options.dataFolder)
  closers.push(() => folder.release())

  // The port comes first: every address below is made from it. Until the rest is up it answers 503.
  let handle: RequestHandler = async () =>
    message(503, 'Service Unavailable', { 'retry-after': '1' })
  const server = await listen((request, sourceIp) => handle(request, sourceIp), options.port)
  closers.push(() => server.stop())
  const url = `http://localhost:${server.port}`
  await folder.claim(url)

  const clock = openClock(folder)
  const now = clock.now
  const identity = await openIdentity({ issuer: `${url}/local/identity`, now, keep: folder })
  const servicesIdentity = options.servicesApart
    ? await openIdentity({
        issuer: `${url}/local/services-identity`,
        audience: 'token-top-up-services',
        keyFile: 'services-signing-key.json',
        now,
        keep: folder,
      })
    : identity
  const stripeSecret = openStripeSecret(folder, options.stripeTestKeys)
  const stripe = options.stripeTestKeys
    ? undefined
    : await startStripeStandIn({
        now,
        publicUrl: url,
        webhookUrl: `${url}/v1/stripe/webhook`,
        apiKey: stripeSecret.apiKey,
        webhookSecret: stripeSecret.webhookSecrets[0]!,
        log: (line) => log({ function: 'stripe', line }),
        ...(folder.kept && { dataFile: join(folder.path, 'stripe.json') }),
      })
  closers.push(() => stripe?.stop())

  progress('Starting DynamoDB and synthesizing the CDK app …')
  const props: LocalProps = {
    issuer: identity.issuer,
    audience,
    ...(options.servicesApart && {
      servicesIssuer: servicesIdentity.issuer,
      servicesAudience: servicesIdentity.audience,
    }),
    allowedOrigins: [url, server.url],
    returnUrl: `${url}/`,
    stripeSecretName,
    // The stand-in is up before the app is synthesized, so its address travels like any other prop.
    ...(stripe && { stripeApiBase: stripe.apiBase }),
  }
  const synthesizing = (options.synthesize ?? synthesize)(props, join(folder.path, 'cdk.out'))
  closers.push(() => synthesizing.catch(() => {}))
  const database = options.dynamoDb
    ? externalDynamoDb(options.dynamoDb)
    : startDynamoDb(dataIn(folder))
  closers.push(() => database.then((started) => started.stop()).catch(() => {}))
  const [{ endpoint: dynamoDbEndpoint }, deployment] = await Promise.all([database, synthesizing])

  const credentials = options.dynamoDb?.credentials ?? localCredentials
  const dynamoDbRegion = options.dynamoDb?.region ?? region
  await createTables(deployment.tables, {
    endpoint: dynamoDbEndpoint,
    region: dynamoDbRegion,
    credentials,
  })

  const services = await serve(async (request) => {
    const secrets = new Map([[stripeSecretName, stripeSecret]])
    return (
      (await handleSecretsApi(request, secrets)) ??
      (await handleLambdaApi(request, functions)) ??
      message(404, 'This AWS operation has no stand-in here')
    )
  })
  closers.push(() => services.stop())
  const functions = startLambdaHost({
    functions: deployment.functions,
    surroundings: {
      AWS_REGION: dynamoDbRegion,
      ...asEnvironment(credentials),
      AWS_ENDPOINT_URL_DYNAMODB: dynamoDbEndpoint,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: services.url,
      AWS_ENDPOINT_URL_LAMBDA: services.url,
    },
    log,
  })
  closers.push(() => functions.stop())
  const schedules = startSchedules({ schedules: deployment.schedules, functions, now })
  closers.push(() => schedules.stop())

  const identities = [identity, servicesIdentity]
  const keysOf = (issuer: string) => identities.find((each) => each.issuer === issuer)!.keys
  const gateway = openGateway({ deployment, functions, keysOf, now })
  const control = openControl({
    clock,
    identityOf: (persona) => (isServicePersona(persona) ? servicesIdentity : identity),
    schedules,
    tables: {
      endpoint: dynamoDbEndpoint,
      region: dynamoDbRegion,
      ...tableNamesOf(deployment),
    },
    stripe: stripe
      ? { standIn: true, apiBase: stripe.apiBase, apiKey: stripeSecret.apiKey }
      : { standIn: false },
    clockMoved: async () => stripe?.tick(),
  })
  const signIn = openSignIn({ identity, origins: [url, server.url] })
  const site = await openSite({
    issuer: identity.issuer,
    clientId: pageClient,
    workspaceClaim: 'workspace_id',
  })
  const apiPage = openApiPage(identity.personas)
  handle = async (request, sourceIp) => {
    if (new URL(request.url).pathname.startsWith('/v1/')) return gateway(request, sourceIp)
    return (
      (await site(request)) ??
      (await apiPage(request)) ??
      (await control(request)) ??
      (await identity.grantClient(request)) ??
      (await servicesIdentity.grantClient(request)) ??
      (await signIn(request)) ??
      identity.handle(request) ??
      servicesIdentity.handle(request) ??
      (await stripe?.handle(request)) ??
      message(404, 'Not Found')
    )
  }
  // Nobody may be let in before this is closed first: what still runs needs everything below it.
  closers.push(() => server.stop())

  progress('Seeding the workspaces …')
  await seed(url, servicesIdentity)
  return {
    url,
    deployment,
    clock,
    identity,
    servicesIdentity,
    functions,
    schedules,
    dynamoDbEndpoint,
    ...(stripe && { stripe }),
  }
}

async function listen(handler: RequestHandler, port = 0): Promise<HttpServer> {
  try {
    return await serve(handler, port)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new SetupError(
        `Port ${port} is taken: stop what uses it, or choose another one with PORT=${port + 1} npm start.`,
      )
    }
    if (code === 'EACCES') {
      throw new SetupError(
        `Port ${port} may not be used: choose one above 1023 with PORT=4000 npm start.`,
      )
    }
    throw cause
  }
}

/** The names of the tables, as the functions are told them. */
function tableNamesOf({ functions }: Deployment) {
  const { environment } = functions.find((each) => 'LEDGER_TABLE' in each.environment)!
  const { WORKSPACES_TABLE, LEDGER_TABLE } = environment
  return { workspacesTable: WORKSPACES_TABLE!, ledgerTable: LEDGER_TABLE! }
}

function dataIn(folder: { path: string; kept: boolean }) {
  return folder.kept ? { dir: join(folder.path, 'dynamodb') } : {}
}
