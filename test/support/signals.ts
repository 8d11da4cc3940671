import { vi } from 'vitest'
import type { SignalName } from '../../shared/signals.ts'

/** What operators would hear of, from now on; the log lines themselves are kept quiet. */
export function listenForSignals() {
  const lines = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const heard = () => lines.mock.calls.map(([line]) => line as { signal: SignalName })
  return {
    heard,
    names: () => heard().map(({ signal }) => signal),
    forget: () => lines.mockClear(),
  }
}
