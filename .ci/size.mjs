// `npm run size`: what a page loads for `import { loadModel } from 'ternion'` before there is a model, compressed, from the built
// package in `dist`. More than the budget is an error.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** kB (of 1000 bytes), gzip. Lower it when something became smaller; whoever raises it says why in CHANGELOG.md. */
const BUDGET_KB = 76;

/** What only a part of the worker's script does. */
const PART = /^\w+ \w+=["'`]globalThis\.ternionParts\?\.define/;

/**
 * What only some need is loaded by those: the thread for grammars, the converter of valibot's schemas, and sharing an engine among
 * tabs (its page's side).
 */
const LOADED_WHEN_USED = [
  /GrammarMatcher/,
  /toStandardJsonSchema/,
  /No tab has taken the engine over/,
  // A part of the worker's script.
  PART,
];

const DIST = join(dirname(fileURLToPath(import.meta.url)), '../dist');

/** What a module imports when it is loaded; with `all`, also what it may import later. */
function importsOf(code, all) {
  const statics = /(?:^|[;\s}])(?:import|export)\s*(?:[\w$*{}\s,]*?from\s*)?["'](\.\/[^"']+)["']/g;
  const found = [...code.matchAll(statics)].map(([, path]) => path);
  return all ? [...found, ...later(code)] : found;
}

/** What a module loads later, as part of every load. */
function later(code) {
  return [...code.matchAll(/import\(["'`](\.\/[^"'`]+)["'`]\)/g)]
    .map(([, path]) => path)
    .filter((path) => {
      const imported = readFileSync(join(DIST, path), 'utf8');
      return !LOADED_WHEN_USED.some((mark) => mark.test(imported));
    });
}

/** The files of `entry`, by name: the bytes of each, compressed. */
function filesOf(entry, all, known = new Map()) {
  if (known.has(entry)) return known;
  const code = readFileSync(join(DIST, entry), 'utf8');
  known.set(entry, gzipSync(code, { level: 9 }).length);
  for (const path of importsOf(code, all)) filesOf(path.slice(2), all, known);
  return known;
}

/** The parts of the worker's script, which one of these modules may import. */
function partsOf(modules) {
  const names = [...modules].flatMap((name) =>
    [...readFileSync(join(DIST, name), 'utf8').matchAll(/import\(["'`]\.\/([^"'`]+)["'`]\)/g)].map(
      ([, path]) => path,
    ),
  );
  const codes = names.map((name) => [name, readFileSync(join(DIST, name), 'utf8')]);
  return new Map(
    codes
      .filter(([, code]) => PART.test(code))
      .map(([name, code]) => [name, gzipSync(code, { level: 9 }).length]),
  );
}

function sum(files) {
  return [...files.values()].reduce((total, bytes) => total + bytes, 0);
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

// Of what the module loads later, all is part of every load: the script of the worker.
const all = filesOf('index.js', true);
const parts = partsOf(all.keys());
if (argv.includes('--files')) {
  for (const [name, bytes] of all) console.log(`${kilobytes(bytes).padStart(10)}  ${name}`);
  console.log('Parts of the worker’s script, each loaded when it is used:');
  for (const [name, bytes] of parts) console.log(`${kilobytes(bytes).padStart(10)}  ${name}`);
}
const own = sum(filesOf('index.js', false));
const total = sum(all);
console.log(
  `import { loadModel } from 'ternion': ${kilobytes(total)} compressed, of which ${kilobytes(total - own)} are the worker's. ` +
    `The budget is ${BUDGET_KB} kB. Parts that are loaded when they are used have ${kilobytes(sum(parts))} more.`,
);
if (total > BUDGET_KB * 1000) exit(1);
