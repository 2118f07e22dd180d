// A Vite plugin: `import urlOf from './model.gguf?file-url'` gives a function that says where that file is. A build puts the file
// beside its modules, as a file of its own, and names it so that the bundlers of users find it too. (Vite's own `?url` makes a text
// of it in a library, which would be loaded with the code.)

import { readFile } from 'node:fs/promises';
import { basename, dirname, posix, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'vite';

const QUERY = '?file-url';
/** In front of a path: a module of our own, and not the file itself, which Vite would have opinions on. */
const PREFIX = '\0file-url:';
/** Stands for an address until it is known which chunk has it: Vite would resolve an address as soon as it sees one. */
const MARK = /(["'`])ternion-file-url:([^"'`]+)\1/g;

export function fileUrl(): Plugin {
  let isServing = false;
  return {
    name: 'ternion:file-url',
    enforce: 'pre',
    configResolved({ command }) {
      isServing = command === 'serve';
    },
    resolveId: {
      filter: { id: /\?file-url$/ },
      handler(id, importer = '') {
        return PREFIX + resolve(dirname(importer), id.slice(0, -QUERY.length));
      },
    },
    load: {
      filter: { id: /^\0file-url:/ },
      async handler(id) {
        const path = id.slice(PREFIX.length);
        const here = JSON.stringify(pathToFileURL(path).href);
        // For Node from these sources: as tests run there, and the tools that are bundled for it.
        if (this.environment.config.consumer === 'server') return `export default () => ${here};`;
        if (isServing) {
          const served = JSON.stringify(`/@fs${path}`);
          return `export default () => globalThis.location ? new URL(${served}, location.href).href : ${here};`;
        }
        const fileName = basename(path);
        this.emitFile({ type: 'asset', fileName, source: await readFile(path) });
        return `export default () => "ternion-file-url:${fileName}";`;
      },
    },
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue;
        const folder = posix.dirname(chunk.fileName);
        chunk.code = chunk.code.replace(MARK, (_mark, _quote, file: string) => {
          const path = posix.relative(folder, file);
          return `new URL("${path.startsWith('.') ? path : `./${path}`}", import.meta.url).href`;
        });
      }
    },
  };
}
