/** A style sheet imported by an element arrives as its minified text: see the plugin in build.ts. */
declare module '*.css' {
  const text: string
  export default text
}
