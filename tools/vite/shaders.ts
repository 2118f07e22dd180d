// A Vite plugin: `…/name.wgsl?template` gives a shader as src/gpu/shader.ts expands it. What can be done once, when the package
// is built, is done here.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';
import { shaderTemplate, type ShaderTemplate } from './shader-template.ts';

const QUERY = '?template';

export function shaders(): Plugin {
  let compact = false;
  return {
    name: 'ternion:shaders',
    enforce: 'pre',
    configResolved({ command, build }) {
      // Else whoever looks for a fault in a kernel reads lines as they were written.
      compact = command === 'build' && build.minify !== false;
    },
    load: {
      filter: { id: /\.wgsl\?template$/ },
      async handler(id) {
        const path = id.slice(0, -QUERY.length);
        this.addWatchFile(path);
        const template = await readTemplate(path, compact);
        await refuseNamesakes(path, template);
        return { code: `export default ${JSON.stringify(template)}`, moduleType: 'js' };
      },
    },
  };
}

async function readTemplate(path: string, compact: boolean): Promise<ShaderTemplate> {
  try {
    return shaderTemplate(await readFile(path, 'utf8'), { compact });
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** A shader and all that it imports are one text in the end: no name may be declared in two of them. */
async function refuseNamesakes(path: string, template: ShaderTemplate): Promise<void> {
  const root = /^(.*\/shaders)\//.exec(path)?.[1] ?? dirname(path);
  const owners = new Map<string, string>();
  const read = new Set<string>();
  const visit = async (module: string, { imports, declarations }: ShaderTemplate): Promise<void> => {
    if (read.has(module)) return;
    read.add(module);
    for (const [name] of declarations) {
      const owner = owners.get(name) ?? module;
      if (name !== '' && owner !== module)
        throw new Error(`${path}: ${name} is declared in ${owner} and in ${module}; rename one of them.`);
      owners.set(name, owner);
    }
    for (const [, used] of imports)
      if (used !== 'constants') await visit(used, await readTemplate(join(root, `${used}.wgsl`), false));
  };
  await visit(path.slice(root.length + 1).replace(/\.wgsl$/, ''), template);
}
