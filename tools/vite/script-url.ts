// A Vite plugin: `import makeScriptUrl from './main?script-url'` gives a function that makes the address of a worker's script.
// The built script is part of the module that imports it. `import version from './main?script-version'` tells scripts apart
// without having them. (Vite's own `?worker&inline` starts the worker itself, from a string,
// which pages with Trusted Types forbid.)

import { createHash } from 'node:crypto';
import { build, type Plugin } from 'vite';
import { xgrammar } from './xgrammar.ts';
import { shaders } from './shaders.ts';

const VERSION_QUERY = '?script-version';

/** A script, and the files that it was made of. */
interface Script {
  code: string;
  moduleIds: readonly string[];
}

/** What others may ask of the plugin, as its `api`. */
export interface ScriptUrlApi {
  /** The files that the scripts of this build were made of. */
  moduleIds(): Promise<string[]>;
}

/** `emitted` are scripts that are files of the build as well: the path of each, by the name of its file. */
export function scriptUrl(emitted: Record<string, string> = {}): Plugin<ScriptUrlApi> {
  let isServing = false;
  /** Each script is built once, whatever of it is asked for. */
  const scripts = new Map<string, Promise<Script>>();
  const scriptOf = (entry: string): Promise<Script> => {
    const script = scripts.get(entry) ?? bundle(entry);
    scripts.set(entry, script);
    return script;
  };
  return {
    name: 'ternion:script-url',
    enforce: 'pre',
    api: {
      moduleIds: async () => (await Promise.all(scripts.values())).flatMap(({ moduleIds }) => moduleIds),
    },
    // Rolldown would warn that this plugin takes most of a build's time: the script is most of the module.
    config: () => ({ build: { rolldownOptions: { checks: { bundlerTimings: false } } } }),
    configResolved({ command }) {
      isServing = command === 'serve';
    },
    buildStart() {
      scripts.clear();
    },
    load: {
      filter: { id: /\?script-(url|version)$/ },
      async handler(id) {
        const entry = id.slice(0, id.lastIndexOf('?'));
        const isVersion = id.endsWith(VERSION_QUERY);
        if (isServing) {
          if (isVersion) return `export default 'served';`;
          return `import url from ${JSON.stringify(`${entry}?worker&url`)}; export default () => url;`;
        }
        const { code } = await scriptOf(entry);
        if (isVersion)
          return `export default '${createHash('sha256').update(code).digest('hex').slice(0, 16)}';`;
        return (
          `const code = ${JSON.stringify(code)}; ` +
          `export default () => URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));`
        );
      },
    },
    async generateBundle() {
      for (const [fileName, entry] of Object.entries(emitted))
        this.emitFile({ type: 'asset', fileName, source: (await scriptOf(entry)).code });
    },
  };
}

/** The script with all that it imports. */
async function bundle(entry: string): Promise<Script> {
  const result = await build({
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    plugins: [shaders(), xgrammar()],
    build: {
      target: 'es2022',
      write: false,
      modulePreload: false,
      rolldownOptions: { input: entry, output: { format: 'es', codeSplitting: false } },
    },
  });
  const [chunk, ...others] = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
  if (chunk?.type !== 'chunk' || others.length > 0) throw new Error(`${entry} did not become one script`);
  return { code: chunk.code, moduleIds: chunk.moduleIds };
}
