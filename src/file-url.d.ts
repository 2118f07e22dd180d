// What `tools/vite/file-url.ts` makes of an import of a file's address.

declare module '*?file-url' {
  /** Where the file is: beside the module, or in the repository while sources are served as they are. */
  const urlOf: () => string;
  export default urlOf;
}
