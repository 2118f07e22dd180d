// A Vite plugin: `import makeScriptUrl from './main?script-url'` gives a function that makes the address of a worker's script.
// The built script is part of the module that imports it. (Vite's own `?worker&inline` starts the worker itself, from a string,
// which pages with Trusted Types forbid.)

import { createHash } from 'node:crypto';
import { build, type Plugin } from 'vite';
import { xgrammar } from './xgrammar.ts';

const QUERY = '?script-url';

export function scriptUrl(): Plugin {
  let isServing = false;
  return {
    name: 'ternion:script-url',
    enforce: 'pre',
    // Rolldown would warn that this plugin takes most of a build's time: the script is most of the module.
    config: () => ({ build: { rolldownOptions: { checks: { bundlerTimings: false } } } }),
    configResolved({ command }) {
      isServing = command === 'serve';
    },
    load: {
      filter: { id: /\?script-url$/ },
      async handler(id) {
        const entry = id.slice(0, -QUERY.length);
        if (isServing)
          return `import url from ${JSON.stringify(`${entry}?worker&url`)}; export default () => url; export const version = 'served';`;
        const code = await bundle(entry);
        const version = createHash('sha256').update(code).digest('hex').slice(0, 16);
        return (
          `const code = ${JSON.stringify(code)}; export const version = '${version}'; ` +
          `export default () => URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));`
        );
      },
    },
  };
}

/** The script with all that it imports. */
async function bundle(entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    plugins: [xgrammar()],
    build: {
      target: 'es2022',
      write: false,
      modulePreload: false,
      rolldownOptions: { input: entry, output: { format: 'es', codeSplitting: false } },
    },
  });
  const [chunk, ...others] = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
  if (chunk?.type !== 'chunk' || others.length > 0) throw new Error(`${entry} did not become one script`);
  return chunk.code;
}
