import type { SiteConfig } from '../site.ts'

const msMax = 10_000

export async function loadConfig(): Promise<SiteConfig> {
  const response = await fetch('/config.json', { signal: AbortSignal.timeout(msMax) })
  if (!response.ok) throw new Error(`/config.json was answered ${response.status}`)
  return (await response.json()) as SiteConfig
}
