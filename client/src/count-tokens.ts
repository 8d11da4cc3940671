/** Tokens in a text, where nobody has counted them: about four characters each in English. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4)
}
