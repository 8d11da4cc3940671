import type { TokenMeter } from '../meter/token-meter.ts'
import type { Meter } from '../service.ts'
import type { TokenUsage } from '../usage/token-usage.ts'

/**
 * A small assistant with the meter in its sidebar. Its backend is this page: it uses tokens as the product's
 * own service would, with one key for each message.
 */

const people = [
  { persona: 'acme-admin', workspace: 'acme', name: 'Ada, admin of acme (Pro)' },
  { persona: 'acme-member', workspace: 'acme', name: 'Max, member of acme (Pro)' },
  { persona: 'crew-admin', workspace: 'crew', name: 'Cleo, admin of crew (Teams)' },
  { persona: 'crew-member', workspace: 'crew', name: 'Mira, member of crew (Teams)' },
  { persona: 'sprout-admin', workspace: 'sprout', name: 'Sam, admin of sprout (Starter)' },
  { persona: 'globex-admin', workspace: 'globex', name: 'Gwen, admin of globex (Enterprise)' },
]

const msMax = 15_000
const number = new Intl.NumberFormat('en')
const element = <T extends HTMLElement = HTMLElement>(id: string) =>
  document.getElementById(id) as T

const meter = element<TokenMeter>('meter')
const usage = element<TokenUsage>('token-usage')
const personas = element<HTMLSelectElement>('persona')
const transcript = element('transcript')
let clockOffsetMs = 0
let current: Meter | undefined

personas.append(...people.map(({ persona, name }) => new Option(name, persona)))
personas.value = personIn(new URLSearchParams(location.search).get('persona')).persona
meter.now = now
await showTime()
signIn()
showView()

addEventListener('hashchange', showView)
personas.addEventListener('change', () => {
  // In the address, so that whoever returns from checkout is who went there.
  const url = new URL(location.href)
  url.search = `?persona=${personas.value}`
  history.replaceState(null, '', url)
  signIn()
})
meter.addEventListener('token-meter-change', (event) => {
  current = (event as CustomEvent<{ meter: Meter }>).detail.meter
})
meter.addEventListener('token-purchase', () => usage.refresh())
element('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  send()
})
element('next-month').addEventListener('click', () => atStage(toNextMonth))
element('real-time').addEventListener('click', () => atStage(toRealTime))

function personIn(persona: string | null) {
  return people.find((person) => person.persona === persona) ?? people[0]!
}

function signIn(): void {
  const { workspace } = personIn(personas.value)
  for (const each of [meter, usage]) {
    // Taken away first: another person of the same workspace is another viewer.
    each.getToken = undefined
    each.workspace = workspace
  }
  Promise.all([meter.updateComplete, usage.updateComplete]).then(() => {
    for (const each of [meter, usage]) each.getToken = () => tokenOf(personas.value)
  })
}

function showView(): void {
  const showsUsage = location.hash === '#usage'
  element('usage').hidden = !showsUsage
  element('chat').hidden = showsUsage
  for (const link of document.querySelectorAll('nav a')) {
    const isCurrent = (link.getAttribute('href') === '#usage') === showsUsage
    link.toggleAttribute('aria-current', isCurrent)
  }
  if (showsUsage) usage.refresh()
}

async function send(): Promise<void> {
  const message = element<HTMLInputElement>('message')
  const tokens = Number(element<HTMLSelectElement>('size').value)
  const { workspace, persona } = personIn(personas.value)
  element('story').hidden = true
  say('you', message.value)
  const pending = say('assistant', 'Thinking…')
  const outcome = await consume(workspace, persona, tokens)
  pending.replaceChildren(...outcome)
  transcript.scrollTop = transcript.scrollHeight
  await meter.refresh()
}

/** What the assistant says, after it has paid for its work in tokens, or found that it cannot. */
async function consume(
  workspace: string,
  member: string,
  tokens: number,
): Promise<(Node | string)[]> {
  const response = await post(
    `/v1/workspaces/${workspace}/consume`,
    { tokens, member, feature: 'chat' },
    {
      authorization: `Bearer ${await tokenOf('assistant')}`,
      'idempotency-key': crypto.randomUUID(),
    },
  ).catch(() => undefined)
  if (response?.ok) {
    return [
      'Done. Here is what stands out: people ask for less, and for it to be clear.',
      cost(tokens),
    ]
  }
  if (response?.status !== 402) return ['The service did not answer. Try again in a moment.']
  const { meter: left } = (await response.json()) as { meter: Meter }
  const wayOn = document.createElement('button')
  wayOn.type = 'button'
  wayOn.textContent = 'How to get more tokens'
  wayOn.addEventListener('click', () => meter.purchase())
  return [
    `This takes ${number.format(tokens)} tokens and ${number.format(left.remaining)} are left. Nothing was used. `,
    wayOn,
  ]
}

function cost(tokens: number): HTMLElement {
  const small = document.createElement('small')
  small.textContent = `${number.format(tokens)} tokens`
  return small
}

function say(who: 'you' | 'assistant', text: string): HTMLElement {
  const bubble = document.createElement('p')
  bubble.className = who
  bubble.textContent = text
  transcript.append(bubble)
  transcript.scrollTop = transcript.scrollHeight
  return bubble
}

async function toNextMonth(): Promise<void> {
  const resetsAt = new Date(current?.resetsAt ?? now())
  await moveClock({ now: new Date(resetsAt.getTime() + 9 * 3_600_000).toISOString() })
}

async function toRealTime(): Promise<void> {
  await moveClock({})
}

async function moveClock(to: { now?: string }): Promise<void> {
  await post('/local/clock', to)
  await post('/local/reset', {})
  await showTime()
  await Promise.all([meter.refresh(), usage.refresh()])
}

/** One thing at a time, and said when it did not work. */
async function atStage(act: () => Promise<void>): Promise<void> {
  const buttons = document.querySelectorAll<HTMLButtonElement>('.stage button')
  for (const button of buttons) button.disabled = true
  element('stage-status').textContent = ''
  try {
    await act()
  } catch {
    element('stage-status').textContent = 'That did not work. Is npm start still running?'
  } finally {
    for (const button of buttons) button.disabled = false
  }
}

async function showTime(): Promise<void> {
  const response = await fetch('/local/clock', { signal: AbortSignal.timeout(msMax) })
  const time = (await response.json()) as { now: string; real: boolean }
  clockOffsetMs = Date.parse(time.now) - Date.now()
  const today = element<HTMLTimeElement>('today')
  today.dateTime = time.now
  today.textContent = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(
    now(),
  )
  element('real-time').hidden = time.real
}

function now(): Date {
  return new Date(Date.now() + clockOffsetMs)
}

async function tokenOf(persona: string): Promise<string> {
  const response = await post('/local/token', { persona })
  if (!response.ok) throw new Error(`no token for ${persona}`)
  return ((await response.json()) as { token: string }).token
}

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(msMax),
  })
}
