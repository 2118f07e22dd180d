// What `tools/vite/script-url.ts` makes of an import of a script's address, and of its version.

declare module '*?script-url' {
  /**
   * Makes an address of the script, for a module worker. If it is a blob's, it is to be revoked when it was used. `added` is the
   * code of parts that shall be in it.
   */
  const makeScriptUrl: (added?: readonly string[]) => string;
  export default makeScriptUrl;
  /** Resolves to the code of a part of the script, and of the parts that it needs itself. */
  export const loadPart: (name: string) => Promise<string>;
  /** Resolves to the code of all parts. */
  export const loadParts: () => Promise<string[]>;
}

declare module '*?script-version' {
  /** Another one for every other script; the same for all while sources are served as they are. */
  const version: string;
  export default version;
}
