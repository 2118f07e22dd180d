// `npm run build`: the package in `dist` (modules and types), and the notices of whose code is in it. With `--check` the notices
// are not written: it is an error if they are others than those in THIRD_PARTY_NOTICES.md.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, chdir, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { noticesOf, packageOf } from './notices.mjs';
import { buildTypes } from './types.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const NOTICES = join(ROOT, 'THIRD_PARTY_NOTICES.md');

/** Builds the modules; the packages whose code they contain. */
async function buildModules() {
  const ids = [];
  let scripts;
  const collect = {
    name: 'ternion:bundled-packages',
    configResolved({ plugins }) {
      scripts = plugins.find(({ name }) => name === 'ternion:script-url').api;
    },
    async generateBundle(_, bundle) {
      for (const { moduleIds = [] } of Object.values(bundle)) ids.push(...moduleIds);
      ids.push(...(await scripts.moduleIds()));
    },
  };
  await build({ configFile: join(ROOT, 'vite.config.ts'), mode: 'lib', plugins: [collect] });
  return new Set(ids.map(packageOf).filter((name) => name !== undefined));
}

chdir(ROOT);
const packages = await buildModules();
await buildTypes(ROOT, join(ROOT, 'dist'));
const notices = noticesOf(packages, ROOT);
if (!argv.includes('--check')) {
  writeFileSync(NOTICES, notices);
} else if (!existsSync(NOTICES) || readFileSync(NOTICES, 'utf8') !== notices) {
  console.error('THIRD_PARTY_NOTICES.md is out of date: run npm run build.');
  exit(1);
}
