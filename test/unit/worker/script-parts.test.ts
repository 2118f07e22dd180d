// The parts of a built script: what splits it, and what loads them.
import { afterEach, expect, it } from 'vitest';
import { ScriptParts } from '../../../src/worker/script-parts';
import { splitScript, type ScriptChunk } from '../../../tools/vite/script-parts';
import { expectFailure } from '../../support/expect-failure';

/** A script as a bundler writes it, which makes its loader as src/worker/main.ts does: a part that uses the script and another part, and imports that are none of ours. */
const CHUNKS: ScriptChunk[] = [
  {
    fileName: 'main.js',
    isEntry: true,
    code:
      'let count=0;var next=()=>++count;async function run(){next();let{sum:e}=await import(`./sum.js`);return e(2,3)}' +
      'globalThis.ternionParts=globalThis.loader;globalThis.outcome={run,elsewhere:e=>import(e),far:()=>import(`https://example.org/x.js`)};export{next as n,count as t};',
  },
  {
    fileName: 'sum.js',
    isEntry: false,
    code: 'import{n as e,t}from"./main.js";import{twice as n}from"./twice.js";var r=(a,b)=>`${n(a+b)} ${t} ${e()>t}`;export{r as sum};',
  },
  { fileName: 'twice.js', isEntry: false, code: 'var e=e=>2*e;export{e as twice};' },
];

interface Outcome {
  run: () => Promise<string>;
}

/** Runs code as a script. */
function evaluate(code: string): Promise<unknown> {
  // The code is that of the chunks above.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  new Function(code)();
  return Promise.resolve();
}

const place = globalThis as typeof globalThis & { outcome?: Outcome; loader?: ScriptParts };

/** The script's own function, with parts from `fetch`. */
async function started(parts: ScriptParts, code: string): Promise<Outcome> {
  place.loader = parts;
  await evaluate(code);
  if (!place.outcome) throw new Error('The script did not run.');
  return place.outcome;
}

afterEach(() => {
  delete globalThis.ternionParts;
  delete place.outcome;
  delete place.loader;
});

it('a script fetches each part once, when it needs it, and a part what it imports', async () => {
  const { code, parts } = splitScript(CHUNKS);
  const fetched: string[] = [];
  const fetch = async (name: string): Promise<string> => {
    fetched.push(name);
    return parts.get(name)?.code ?? '';
  };
  const { run } = await started(new ScriptParts(fetch, evaluate), code);
  expect(fetched).toEqual([]);
  // What the script exports is as it is when the part runs: `count` was 0 when the script began, and both have counted since.
  expect(await Promise.all([run(), run()])).toEqual(['10 2 true', '10 2 true']);
  expect(await run()).toBe('10 2 true');
  expect(fetched).toEqual(['sum.js', 'twice.js']);
  expect(parts.get('sum.js')?.needs).toEqual(['twice.js']);
});

it('a script with all its parts fetches none, and can load them wherever it is', async () => {
  const { code, parts } = splitScript(CHUNKS);
  const forbidden = (): Promise<never> => Promise.reject(new Error('forbidden'));
  const loader = new ScriptParts(forbidden, forbidden);
  const { run } = await started(loader, [code, ...[...parts.values()].map((part) => part.code)].join(''));
  expect(await loader.canLoad()).toBe(true);
  expect(await run()).toBe('10 1 true');
});

it('whether parts can be loaded is known before one is needed', async () => {
  const { code } = splitScript(CHUNKS);
  const never = (): Promise<never> => Promise.reject(new Error('not fetched'));
  const forbidding = new ScriptParts(never, () => Promise.reject(new Error('forbidden')));
  await started(forbidding, code);
  expect(await forbidding.canLoad()).toBe(false);
  const allowing = new ScriptParts(never, evaluate);
  await started(allowing, code);
  expect(await allowing.canLoad()).toBe(true);
  // Sources that are served as they are have no parts.
  expect(await new ScriptParts(never, never).canLoad()).toBe(true);
});

it('a part that could not be fetched is fetched again, and one of another script is an error', async () => {
  const { code, parts } = splitScript(CHUNKS);
  const answers: (() => string)[] = [
    () => {
      throw new Error('offline');
    },
    () => 'void 0',
  ];
  const fetch = async (name: string): Promise<string> => answers.shift()?.() ?? parts.get(name)?.code ?? '';
  const { run } = await started(new ScriptParts(fetch, evaluate), code);
  await expect(run()).rejects.toThrow('offline');
  await expectFailure(run(), 'internal', /sum\.js of the worker's script is another one/);
  expect(await run()).toBe('10 3 true');
});

it('a script that nobody runs as a worker is one that nothing happens in', async () => {
  const { code, parts } = splitScript(CHUNKS);
  await evaluate([code, ...[...parts.values()].map((part) => part.code)].join(''));
  expect(globalThis.ternionParts).toBeUndefined();
});

it('what a script imports when it begins is with it, once for it and its parts', async () => {
  const shared: ScriptChunk[] = [
    {
      fileName: 'main.js',
      isEntry: true,
      code: 'import{b}from"./b.js";globalThis.ternionParts=globalThis.loader;globalThis.outcome={run:async()=>(await import("./part.js")).same(b)};',
    },
    {
      fileName: 'part.js',
      isEntry: false,
      code: 'import{a}from"./a.js";var same=b=>`${b.a===a}`;export{same};',
    },
    { fileName: 'b.js', isEntry: false, code: 'import{a}from"./a.js";var b={a};export{b};' },
    { fileName: 'a.js', isEntry: false, code: 'var a={};export{a};' },
  ];
  const { code, parts } = splitScript(shared);
  expect([...parts.keys()]).toEqual(['part.js']);
  const { run } = await started(new ScriptParts(async (name) => parts.get(name)?.code ?? '', evaluate), code);
  expect(await run()).toBe('true');
});

it('a script in one chunk stays as it is', () => {
  const chunk = { fileName: 'main.js', isEntry: true, code: 'export{};let a=1' };
  expect(splitScript([chunk])).toEqual({ code: chunk.code, parts: new Map() });
});

it('a script or a part that is imported by what it imports is refused: neither could begin', () => {
  const circle = (main: string, isEntry: boolean): ScriptChunk[] => [
    { fileName: 'main.js', isEntry: true, code: main },
    {
      fileName: 'a.js',
      isEntry: false,
      code: `import{b}from"./${isEntry ? 'main' : 'b'}.js";var a=1;export{a};`,
    },
    { fileName: 'b.js', isEntry: false, code: 'import{a}from"./a.js";var b=1;export{b};' },
  ];
  expect(() => splitScript(circle('import{a}from"./a.js";var b=1;export{b};', true))).toThrow(
    /main\.js is imported/,
  );
  expect(() => splitScript(circle('import("./a.js");', false))).toThrow(/a\.js is imported/);
});

it.each([
  ['a default import', 'import e from"./main.js";'],
  ['a namespace', 'import*as e from"./main.js";'],
  ['an export of another', 'export{n}from"./main.js";'],
  ['an export of all of another', 'export*from"./main.js";'],
  ['a default export', 'export default 1;'],
  ['a declaration that is exported', 'export const a=1;'],
])('a part with %s, which bundlers do not write, is refused', (_, code) => {
  const chunks = [CHUNKS[0]!, { fileName: 'part.js', isEntry: false, code }];
  expect(() => splitScript(chunks)).toThrow(/part\.js: \w+ is not supported/);
});
