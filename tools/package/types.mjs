// The types of the package: one file for every entry, with all that its public names are made of and nothing else.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { execPath } from 'node:process';
import { rolldown } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';
import { ENTRIES, EXTERNAL } from './entries.mjs';

/** Writes `NAME.d.ts` for every entry into the folder `dist`. `root` is that of the repository. */
export async function buildTypes(root, dist) {
  // Within the repository, so that packages are found from there.
  const folder = mkdtempSync(join(root, 'node_modules/.types-'));
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', folder], {
      cwd: root,
      stdio: 'inherit',
    });
    for (const entry of ENTRIES.filter(({ isProgram }) => !isProgram)) {
      const text = entry.script === undefined ? await rolledUp(entry, folder) : typesOfScript(entry);
      writeFileSync(join(dist, `${entry.name}.d.ts`), text);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The types of an entry with those that they are made of, but for what comes from other packages. */
async function rolledUp({ name, source }, folder) {
  const input = join(folder, source.replace(/^src\//, '').replace(/\.tsx?$/, '.d.ts'));
  const bundle = await rolldown({
    input: { [name]: input },
    external: EXTERNAL,
    plugins: [dts({ dtsInput: true, emitDtsOnly: true, tsconfig: false })],
  });
  const { output } = await bundle.generate({ format: 'es' });
  const [chunk, ...others] = output;
  if (others.length > 0) throw new Error(`The types of ${name} did not become one file.`);
  // Where in the sources each piece comes from is nobody's business but ours.
  return withLibraries(chunk.code.replace(/^\/\/#(end)?region.*\n/gm, ''));
}

/** Names the library of TypeScript's that a project may lack: `await using` came after ES2022. */
function withLibraries(code) {
  return /\bSymbol\.(async)?[dD]ispose\b/.test(code)
    ? `/// <reference lib="esnext.disposable" />\n${code}`
    : code;
}

/** The types of a script that exports nothing. */
function typesOfScript({ script }) {
  return `/**\n * ${script.replace(/(.{1,110})( |$)/g, '$1\n * ').replace(/\n \* $/, '')}\n */\nexport {};\n`;
}
