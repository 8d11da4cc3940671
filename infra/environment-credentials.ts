/**
 * Stands in for `@aws-sdk/credential-provider-node` in the functions' bundles; see `bundle.ts`. Lambda
 * hands a function its role's credentials in the environment and starts a new one before they expire.
 */
export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env'
