/** Lines as they will be read: what is well, what is not and what to do about it. */
export class Report {
  failed = false

  ok(line: string): void {
    console.log(`  ok    ${line}`)
  }

  wrong(line: string, next: string): void {
    this.failed = true
    console.log(`  WRONG ${line}\n        ${next}`)
  }
}
