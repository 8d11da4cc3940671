import { catalog } from '../shared/catalog.ts'
import { topUpOffer } from '../shared/domain/plan.ts'
import { answer } from '../shared/http/answer.ts'
import { publicEndpoint } from '../shared/http/endpoint.ts'

/** `GET /v1/plans`: what is sold, to anyone. */
export const handler = publicEndpoint(async () => {
  const plans = Object.entries(catalog.plans).map(([plan, described]) => ({ plan, ...described }))
  return answer(200, { plans, topUp: topUpOffer() })
})
