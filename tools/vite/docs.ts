// A Vite plugin for the demo: puts the site of the documentation into `docs/` of a build, where that site was built before. Without it
// the demo has no link to it.

import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vite';

/** The link in the pages of the demo, in a line of its own. */
const LINK = /^.*<a class="docs".*\n/m;

/** `site` is the folder that `npm run build:docs` writes. */
export function docs(site: string): Plugin {
  let isBuilt = false;
  let outDir = '';
  return {
    name: 'ternion:docs',
    configResolved({ command, build, root }) {
      isBuilt = command === 'build' && existsSync(join(site, 'index.html'));
      outDir = resolve(root, build.outDir);
    },
    transformIndexHtml: { order: 'pre', handler: (html) => (isBuilt ? html : html.replace(LINK, '')) },
    async writeBundle() {
      if (isBuilt) await cp(site, join(outDir, 'docs'), { recursive: true });
    },
  };
}
