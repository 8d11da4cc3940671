import type { TokenMeter } from '../meter/token-meter.ts'
import type { GetToken } from '../service.ts'
import type { SiteConfig } from '../site.ts'
import type { TokenUsage } from '../usage/token-usage.ts'
import { loadConfig } from './config.ts'
import { asksToSignIn, openSignIn, signInUrl } from './sign-in.ts'

/** The usage page: signs in, and tells the two elements whose tokens to show. */

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T

try {
  const config = await loadConfig()
  const signIn = openSignIn(config)
  await signIn.finish()
  if (asksToSignIn()) await signIn.begin()
  else showPage(config, signIn)
} catch (error) {
  // The cause is for whoever set the sign-in up; a visitor is told what they can do.
  console.error(error)
  welcome('Signing in did not work. Try again; if it keeps failing, tell whoever runs this page.')
}

function showPage(config: SiteConfig, signIn: ReturnType<typeof openSignIn>): void {
  const session = signIn.session()
  if (!session) {
    welcome()
    return
  }
  const meter = element<TokenMeter>('meter')
  const usage = element<TokenUsage>('usage')
  const getToken: GetToken = async (wish) => {
    const current = signIn.session()
    // A token that was refused once will be refused again: only the issuer has another.
    if (!current || wish?.refresh) {
      signIn.end()
      throw new Error('the session has ended')
    }
    return current.accessToken
  }
  for (const each of [meter, usage]) {
    each.api = config.apiBase ?? ''
    each.workspace = session.workspace
    each.getToken = getToken
    each.signInUrl = signInUrl()
    each.hidden = false
  }
  meter.upgradeUrl = config.upgradeUrl ?? ''
  meter.contactUrl = config.contactUrl ?? ''
  meter.addEventListener('token-purchase', () => usage.refresh())
  element('workspace').textContent = session.workspace
  const signOut = element('sign-out')
  signOut.hidden = false
  signOut.addEventListener('click', () => {
    signIn.end()
    location.assign(location.pathname)
  })
}

function welcome(reason?: string): void {
  if (reason) element('reason').textContent = reason
  element<HTMLAnchorElement>('sign-in').href = signInUrl()
  element('welcome').hidden = false
}
