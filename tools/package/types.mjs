// The types of the package: one file for every entry, and one that they share, with all that public names are made of and nothing else.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { execPath } from 'node:process';
import { rolldown } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';
import { ENTRIES, EXTERNAL } from './entries.mjs';

/** The file of what several entries have in common. */
const COMMON = 'common';

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
    for (const { name, script } of ENTRIES.filter((entry) => entry.script !== undefined))
      writeFileSync(join(dist, `${name}.d.ts`), typesOfScript(script));
    for (const [name, text] of await rolledUp(folder)) writeFileSync(join(dist, name), text);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The types of all modules by file, but for what comes from other packages: one for each entry, and one with what several have in common,
 * so that an engine of one entry is of the type that another one takes.
 */
async function rolledUp(folder) {
  const modules = ENTRIES.filter(({ isProgram, script }) => !isProgram && script === undefined);
  const bundle = await rolldown({
    input: Object.fromEntries(
      modules.map(({ name, source }) => [
        name,
        join(folder, source.replace(/^src\//, '').replace(/\.tsx?$/, '.d.ts')),
      ]),
    ),
    external: EXTERNAL,
    plugins: [dts({ dtsInput: true, emitDtsOnly: true, tsconfig: false })],
  });
  const { output } = await bundle.generate({
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: ({ name }) => `${name.replace(/\.d$/, '')}.d.ts`,
    codeSplitting: { groups: [{ name: `${COMMON}.d`, minShareCount: 2 }] },
  });
  const made = output.map(({ fileName, code }) => [fileName, code]);
  const expected = [...modules.map(({ name }) => name), COMMON].map((name) => `${name}.d.ts`);
  const others = made.map(([name]) => name).filter((name) => !expected.includes(name));
  if (others.length > 0) throw new Error(`The types became more files: ${others.join(', ')}.`);
  // Where in the sources each piece comes from is nobody's business but ours.
  const origin = /^\/\/(#(end)?region| node_modules\/\.types-).*\n/gm;
  return made.map(([name, code]) => [name, withLibraries(code.replace(origin, ''))]);
}

/** Names the library of TypeScript's that a project may lack: `await using` came after ES2022. */
function withLibraries(code) {
  return /\bSymbol\.(async)?[dD]ispose\b/.test(code)
    ? `/// <reference lib="esnext.disposable" />\n${code}`
    : code;
}

/** The types of a script that exports nothing. */
function typesOfScript(script) {
  return `/**\n * ${script.replace(/(.{1,110})( |$)/g, '$1\n * ').replace(/\n \* $/, '')}\n */\nexport {};\n`;
}
