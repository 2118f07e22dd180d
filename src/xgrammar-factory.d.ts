// What `tools/vite/xgrammar.ts` makes of the package xgrammar.

declare module '@mlc-ai/web-xgrammar?factory' {
  type Xgrammar = (typeof import('@mlc-ai/web-xgrammar'))['default'];
  /** Makes xgrammar, with a WebAssembly module of its own, by `WebAssembly`; what it has to say it writes on `console`. */
  export default function createXgrammar(environment: {
    WebAssembly: Pick<typeof globalThis.WebAssembly, 'instantiate' | 'RuntimeError'>;
    console: Pick<Console, 'log' | 'warn' | 'error'>;
  }): Xgrammar;
}
