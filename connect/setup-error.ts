/** What whoever runs the command can mend. Its message says what went wrong, what was changed, and what to do. */
export class SetupError extends Error {}
