/**
 * How the files of `.build/web` are to be served, wherever they are: the deployed site and the local one
 * both go by it.
 */

/** The `cache-control` of a file, by its path below the folder. */
export function cacheControlOf(path: string): string {
  if (path.startsWith('assets/')) return 'public, max-age=31536000, immutable'
  // Embedded under these names by hosts: a release reaches them within minutes, and never keeps them waiting.
  if (/^token-\w+\.js$/.test(path)) return 'public, max-age=300, stale-while-revalidate=86400'
  return 'no-cache'
}

/**
 * The headers of every file. `connect` names the origins the page talks to besides its own: the API, where
 * it has an origin of its own, and the sign-in's discovery and token endpoints.
 */
export function securityHeaders(connect: readonly string[]): Record<string, string> {
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      `connect-src ${["'self'", ...connect].join(' ')}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'x-content-type-options': 'nosniff',
    // Addresses here carry sign-in codes and purchase references.
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  }
}

/** Modules are for any page to embed, so they alone may be loaded from another origin. */
export function isEmbeddable(path: string): boolean {
  return /^(assets\/.*|token-\w+|manifest)\.js(on)?$/.test(path)
}

/** What the deployment tells the page, in `/config.json` beside it. */
export interface SiteConfig {
  /** The OpenID Connect issuer whose access tokens the API accepts. */
  issuer: string
  /** A public client of that issuer, with this page's address as its redirect URI. */
  clientId: string
  /** Asked for where the issuer needs it to make access tokens for the API. */
  audience?: string
  scope?: string
  /** Origin and path in front of `/v1`; left out where the API has the page's own origin. */
  apiBase?: string
  /** The claim that names the workspace. */
  workspaceClaim: string
  upgradeUrl?: string
  contactUrl?: string
}
