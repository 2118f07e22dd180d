// What `tools/vite/script-url.ts` makes of an import of a script's address, and of its version.

declare module '*?script-url' {
  /** Makes an address of the script, for a module worker. If it is a blob's, it is to be revoked when it was used. */
  const makeScriptUrl: () => string;
  export default makeScriptUrl;
}

declare module '*?script-version' {
  /** Another one for every other script; the same for all while sources are served as they are. */
  const version: string;
  export default version;
}
