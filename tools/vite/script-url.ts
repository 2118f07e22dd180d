// A Vite plugin: `import makeScriptUrl from './main?script-url'` gives a function that makes the address of a worker's script.
// The built script is part of the module that imports it; what the script imports dynamically are parts, which are modules of their
// own (`loadPart`). `import version from './main?script-version'` tells scripts apart without having them. (Vite's own
// `?worker&inline` starts the worker itself, from a string, which pages with Trusted Types forbid.)

import { createHash } from 'node:crypto';
import { build, type Plugin } from 'vite';
import { splitScript, type SplitScript } from './script-parts.ts';
import { xgrammar } from './xgrammar.ts';
import { shaders } from './shaders.ts';

const QUERY = /\?script-(url|version|part=(.*))$/;

/** A script, and the files that it was made of. */
interface Script extends SplitScript {
  moduleIds: readonly string[];
}

/** What others may ask of the plugin, as its `api`. */
export interface ScriptUrlApi {
  /** The files that the scripts of this build were made of. */
  moduleIds(): Promise<string[]>;
}

/** `emitted` are scripts that are files of the build as well, with all their parts: the path of each, by the name of its file. */
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
      filter: { id: QUERY },
      async handler(id) {
        const [query = '', what, part] = QUERY.exec(id) ?? [];
        const entry = id.slice(0, -query.length);
        if (isServing) return what === 'version' ? `export default 'served';` : servedModule(entry);
        const script = await scriptOf(entry);
        if (what === 'version') return `export default '${versionOf(script)}';`;
        if (part === undefined) return urlModule(entry, script);
        return `export default ${JSON.stringify(script.parts.get(part)?.code)};`;
      },
    },
    async generateBundle() {
      for (const [fileName, entry] of Object.entries(emitted))
        this.emitFile({ type: 'asset', fileName, source: wholeOf(await scriptOf(entry)) });
    },
  };
}

/** The module of a script that Vite serves: it imports its parts from there. */
function servedModule(entry: string): string {
  return (
    `import url from ${JSON.stringify(`${entry}?worker&url`)}; export default () => url; ` +
    `export const loadPart = () => Promise.reject(new Error('It has no parts.')); ` +
    `export const loadParts = async () => [];`
  );
}

/** The module that has the script, and knows its parts. */
function urlModule(entry: string, { code, parts }: Script): string {
  const importOf = (name: string): string => `import(${JSON.stringify(`${entry}?script-part=${name}`)})`;
  // What a part needs comes with it: the worker would ask for one after the other.
  const imports = [...parts].map(
    ([name, { needs }]) => `${JSON.stringify(name)}: () => [${[...needs, name].map(importOf).join(', ')}]`,
  );
  return (
    `const code = ${JSON.stringify(code)}; const imports = {${imports.join(', ')}}; ` +
    `const textsOf = async (modules) => (await Promise.all(modules)).map((each) => each.default); ` +
    `export default (added = []) => ` +
    `URL.createObjectURL(new Blob([code, ...added], { type: 'text/javascript' })); ` +
    `export const loadPart = async (name) => (await textsOf(imports[name]())).join(''); ` +
    `export const loadParts = () => textsOf([${[...parts.keys()].map(importOf).join(', ')}]);`
  );
}

/** The script with all its parts in it. */
function wholeOf({ code, parts }: Script): string {
  return [code, ...[...parts.values()].map((part) => part.code)].join('');
}

function versionOf(script: Script): string {
  return createHash('sha256').update(wholeOf(script)).digest('hex').slice(0, 16);
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
      // As a library: elsewhere Vite puts its preloading around every dynamic import.
      lib: { entry, formats: ['es'], fileName: 'main' },
      // The script may export to its parts, which else would share a part of their own with it.
      rolldownOptions: {
        preserveEntrySignatures: 'allow-extension',
        output: { minify: true, chunkFileNames: '[name].js' },
      },
    },
  });
  const outputs = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
  const chunks = outputs.flatMap((each) => (each.type === 'chunk' ? [each] : []));
  if (chunks.length < outputs.length) throw new Error(`${entry} did not become scripts alone`);
  return { ...splitScript(chunks), moduleIds: chunks.flatMap(({ moduleIds }) => moduleIds) };
}
