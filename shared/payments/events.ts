import Stripe from 'stripe'
import { isWorkspaceId } from '../domain/workspace-id.ts'
import { asUnavailable, idOf, type StripeAccount, unlessMissing } from './stripe.ts'

/**
 * An event is a poke: it says which purchase to look at, and nothing it says of amounts or states is used.
 * These are the types that may change where a purchase stands.
 */
export const eventTypes = [
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
  'checkout.session.expired',
  'refund.created',
  'refund.updated',
  'refund.failed',
  // Endpoints of older API versions hear of a refund that failed by this one alone.
  'charge.refund.updated',
  'charge.refunded',
  'charge.dispute.created',
  'charge.dispute.updated',
  // An inquiry that becomes a dispute was created long ago; what tells of it is that its money goes.
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
  'charge.dispute.closed',
] as const satisfies Stripe.WebhookEndpointCreateParams.EnabledEvent[]

export type Poke =
  | { workspaceId: string; purchaseId: string }
  /**
   * Of a type we do not follow; about something we did not sell; sold by another deployment at the same account;
   * from the other mode than our key's.
   */
  | { ignored: 'type' | 'not_ours' | 'other_deployment' | 'livemode' }

/** How far a signature's time may be from ours, which bounds how long a captured delivery can be replayed. */
const signatureToleranceSeconds = 300

/** The event a delivery carries, or undefined where no secret of ours signed these bytes lately. */
export function verifyEvent(
  { client, webhookSecrets }: StripeAccount,
  rawBody: Buffer,
  signature: string,
  now: Date,
): Stripe.Event | undefined {
  if (isFromTheFuture(signature, now)) return undefined
  for (const secret of webhookSecrets) {
    try {
      return client.webhooks.constructEvent(
        rawBody,
        signature,
        secret,
        signatureToleranceSeconds,
        undefined,
        now.getTime(),
      )
    } catch (error) {
      const wrongSecret = error instanceof Stripe.errors.StripeSignatureVerificationError
      if (!wrongSecret) return undefined
    }
  }
  return undefined
}

/** The library refuses old signatures only; one dated ahead would outlive its tolerance. */
function isFromTheFuture(signature: string, now: Date): boolean {
  const signedAtSeconds = Number(/(?:^|,)t=(\d+)/.exec(signature)?.[1])
  return signedAtSeconds - now.getTime() / 1000 > signatureToleranceSeconds
}

/**
 * Which purchase of the deployment an event is about. Refunds and disputes are led back through their payment
 * intent.
 */
export async function pokeOf(
  account: StripeAccount,
  deploymentId: string,
  event: Stripe.Event,
): Promise<Poke> {
  const subject = subjectOf(account, deploymentId, event)
  if (!('paymentIntent' in subject)) return subject
  return pokeOfPayment(account, deploymentId, subject.paymentIntent)
}

/** What the event itself says it is about: a purchase, or a payment that has to be asked for its purchase. */
export function subjectOf(
  account: StripeAccount,
  deploymentId: string,
  event: Stripe.Event,
): Poke | { paymentIntent: string } {
  if (!eventTypes.includes(event.type as (typeof eventTypes)[number])) return { ignored: 'type' }
  if (event.livemode !== account.livemode) return { ignored: 'livemode' }
  const object = event.data.object as EventObject
  if (object.object === 'checkout.session') return namedIn(object.metadata, deploymentId)
  const paymentIntent = idOf(object.payment_intent)
  return paymentIntent ? { paymentIntent } : { ignored: 'not_ours' }
}

/** Which purchase a payment is for. */
export async function pokeOfPayment(
  { client }: StripeAccount,
  deploymentId: string,
  paymentIntent: string,
): Promise<Poke> {
  const intent = await unlessMissing(client.paymentIntents.retrieve(paymentIntent))
  return intent ? namedIn(intent.metadata, deploymentId) : { ignored: 'not_ours' }
}

function namedIn(metadata: Stripe.Metadata | null, deploymentId: string): Poke {
  const { deploymentId: soldBy, workspaceId, purchaseId } = metadata ?? {}
  const isOfOurKind = soldBy && isWorkspaceId(workspaceId) && isPurchaseId(purchaseId)
  if (!isOfOurKind) return { ignored: 'not_ours' }
  return soldBy === deploymentId ? { workspaceId, purchaseId } : { ignored: 'other_deployment' }
}

/** Whether it may be an id of ours: metadata of what others sell under this name may be anything. */
function isPurchaseId(text: string | undefined): text is string {
  return text !== undefined && /^[A-Za-z0-9_-]{1,64}$/.test(text)
}

/** Our types of event carry a session, or something that was done to a payment. */
type EventObject = Stripe.Checkout.Session | Stripe.Charge | Stripe.Refund | Stripe.Dispute

/**
 * Events of our types created from `since` up to, not including, `until` (epoch seconds), newest first, read
 * from Stripe page by page as they are asked for.
 */
export async function* eventsBetween(
  { client }: StripeAccount,
  since: number,
  until: number,
): AsyncGenerator<Stripe.Event> {
  const list = client.events.list({
    types: [...eventTypes],
    created: { gte: since, lt: until },
    limit: 100,
  })
  try {
    yield* list
  } catch (error) {
    throw asUnavailable(error)
  }
}
