import { randomInt } from 'node:crypto'

export function newId(prefix: string): string {
  return `${prefix}_${randomText(24)}`
}

export function newSessionId(livemode: boolean): string {
  return `cs_${livemode ? 'live' : 'test'}_${randomText(58)}`
}

export function randomText(length: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}
