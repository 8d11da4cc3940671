import { message } from '../http.ts'
import type { LambdaHost } from './lambda-host.ts'

/**
 * Stands in for the Invoke operation of the Lambda API, which a function calls to continue itself.
 * Undefined for a request that is not one. Signatures are not checked: nothing outside can reach it.
 */
export async function handleLambdaApi(
  request: Request,
  functions: LambdaHost,
): Promise<Response | undefined> {
  const match = invokePath.exec(new URL(request.url).pathname)
  if (!match || request.method !== 'POST') return undefined
  const name = functionNameOf(decodeURIComponent(match[1]!))
  if (!functions.has(name)) {
    return Response.json(
      { Type: 'User', Message: `Function not found: ${name}` },
      { status: 404, headers: { 'x-amzn-errortype': 'ResourceNotFoundException' } },
    )
  }
  const payload = await request.text()
  let event: unknown
  try {
    event = payload === '' ? {} : JSON.parse(payload)
  } catch {
    return message(400, 'Could not parse request body into json')
  }
  if (request.headers.get('x-amz-invocation-type') === 'Event') {
    functions.invokeLater(name, event)
    return new Response(null, { status: 202 })
  }
  const outcome = await functions.invoke(name, event)
  return Response.json(outcome.error ?? outcome.payload, {
    headers: {
      'x-amz-executed-version': '$LATEST',
      ...(outcome.error && { 'x-amz-function-error': 'Unhandled' }),
    },
  })
}

const invokePath = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/

/** A caller names a function by its name or its ARN, with or without a qualifier. */
function functionNameOf(reference: string): string {
  const parts = reference.split(':')
  return parts[0] === 'arn' ? parts[6]! : parts[0]!
}
