// A Vite plugin: `import createXgrammar from '@mlc-ai/web-xgrammar?factory'` gives a function that makes xgrammar anew, with a
// `WebAssembly` and a `console` of the caller's. The package itself can only be a script of a page: it exports nothing as an ES
// module, makes its WebAssembly module once, and cannot be told where to write or how much memory to take.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';

const PACKAGE = '@mlc-ai/web-xgrammar';
/** No path: what has a path in node_modules is none of a bundler's business under Vitest. */
const ID = '\0ternion:xgrammar-factory';

/** What only runs under Node, which the code is kept from noticing. Bundlers for browsers would look for that module. */
const NODE_ONLY = "await import('module')";

export function xgrammar(): Plugin {
  return {
    name: 'ternion:xgrammar',
    enforce: 'pre',
    resolveId: {
      filter: { id: /^@mlc-ai\/web-xgrammar\?factory$/ },
      handler: () => ID,
    },
    load: {
      filter: { id: /^\0ternion:xgrammar-factory$/ },
      async handler() {
        const path = createRequire(import.meta.url).resolve(PACKAGE);
        return factoryOf(await readFile(path, 'utf8'));
      },
    },
  };
}

/** The package's script as a function: what it would find in the world around it are variables there. */
function factoryOf(script: string): string {
  if (script.split(NODE_ONLY).length !== 2)
    throw new Error(`${PACKAGE} has changed: see tools/vite/xgrammar.ts`);
  const code = script.replace(NODE_ONLY, '{}').replace(/^\/\/# sourceMappingURL=.*$/m, '');
  return (
    'export default function createXgrammar({ WebAssembly, console }) {\n' +
    'const exports = {}, module = {}, location = { href: "blob:" };\n' +
    'let process, document, window, importScripts, require;\n' +
    `${code}\nreturn exports;\n}`
  );
}
