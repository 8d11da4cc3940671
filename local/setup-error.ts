/** What the person who started the system can mend. Its message is one line that says how. */
export class SetupError extends Error {}
