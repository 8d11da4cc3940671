import { describe, expect, it } from 'vitest'
import { answer } from '../../shared/http/answer.ts'
import { problem, problemCodes, refusal } from '../../shared/http/problem.ts'
import { workspaceWith } from '../support/store.ts'

describe('a problem document', () => {
  it.each(problemCodes)(
    'of %s says what happened, where to read on, and which request it was',
    (code) => {
      const { statusCode, headers, body } = problem(code, 'req-1')
      const document = JSON.parse(body)
      expect(document).toMatchObject({ status: statusCode, code, requestId: 'req-1' })
      expect(document.type).toBe(`/docs/errors.md#${code}`)
      expect(document.title).toMatch(/^[A-Z]/)
      expect(document.detail).toMatch(/\.$/)
      expect(headers).toMatchObject({
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
      })
      // Whoever may try again is told when; nobody else is invited to.
      expect('retry-after' in headers).toBe([429, 503].includes(statusCode))
    },
  )

  it('of a refusal is 402 for want of tokens, which no client retries by itself, with the meter', () => {
    const workspace = workspaceWith({ balance: 300 })
    const now = new Date('2026-07-14T09:00:00Z')
    const context = { requestId: 'req-1', now, requested: 400 }
    const { statusCode, body } = refusal({ refused: 'insufficient_tokens', workspace }, context)
    expect(statusCode).toBe(402)
    expect(JSON.parse(body)).toMatchObject({ requested: 400, meter: { remaining: 300 } })
  })

  it('of a refusal that knows when it may pass says so in its header, and nowhere else', () => {
    const asked = { refused: 'too_many_looks', retryAfterSeconds: 7 } as const
    const { statusCode, headers, body } = refusal(asked, { requestId: 'req-1', now: new Date(0) })
    expect(statusCode).toBe(429)
    expect(headers).toMatchObject({ 'retry-after': '7' })
    expect(JSON.parse(body)).not.toHaveProperty('retryAfterSeconds')
    const { headers: busy } = problem('busy', 'req-1')
    expect(busy).toMatchObject({ 'retry-after': '2' })
  })
})

describe('an answer', () => {
  it('says when it is an earlier one, and is never kept by a cache', () => {
    expect(answer(200, {}).headers).not.toHaveProperty('idempotent-replayed')
    expect(answer(200, {}, true).headers).toMatchObject({
      'idempotent-replayed': 'true',
      'cache-control': 'no-store',
    })
  })
})
