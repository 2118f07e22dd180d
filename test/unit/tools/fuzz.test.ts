// The fuzzer itself: the same seed gives the same cases, each can be run alone, and planted bugs are found and named.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { allCategories } from '../../../tools/fuzz/categories';
import type { Category } from '../../../tools/fuzz/category';
import { Draw } from '../../../tools/fuzz/draw';
import { examine } from '../../../tools/fuzz/examine';
import { batches } from '../../../tools/fuzz/fuzz';
import { parseFuzzOptions } from '../../../tools/fuzz/options';
import type { FuzzFigures } from '../../../tools/fuzz/tally';
import { plantedCategories } from '../../support/planted/categories';

const folder = mkdtempSync(join(tmpdir(), 'ternion-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function planted(name: string): Category {
  return plantedCategories().find((each) => each.name === name)!;
}

async function filesOf(
  category: Category,
  seed: number,
  index: number,
): Promise<Record<string, Uint8Array | string>> {
  const prepared = await category.prepare(Draw.of(seed, category.name, index));
  return prepared.files();
}

/** What a case's files are, in short: some are a megabyte. */
async function digestOf(category: Category, seed: number, index: number): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, content] of Object.entries(await filesOf(category, seed, index)))
    hash.update(name).update(content);
  return hash.digest('hex');
}

/** The first case of a category that has its bug. */
async function firstBug(name: string): Promise<number> {
  const category = planted(name);
  for (let index = 0; ; index++) {
    const { 'input.bin': bytes } = await filesOf(category, 1, index);
    if ((bytes as Uint8Array)[0]! < 8) return index;
  }
}

describe('cases', () => {
  it.each(allCategories().map(({ name }) => name))(
    'of %s are the same for the same seed, whatever ran before',
    async (name) => {
      const [ours, theirs] = [allCategories(), allCategories()].map((all) =>
        all.find((each) => each.name === name)!,
      );
      const first = await digestOf(ours!, 7, 3);
      await digestOf(theirs!, 7, 2);
      expect(await digestOf(theirs!, 7, 3)).toBe(first);
      expect(await digestOf(ours!, 8, 3)).not.toBe(first);
      expect(await digestOf(ours!, 7, 4)).not.toBe(first);
    },
  );

  it('are dealt to all categories by their shares, and numbered from 0 on', () => {
    const categories = plantedCategories()
      .slice(0, 3)
      .map((each, i) => ({ ...each, share: [5, 3, 2][i]! }));
    const dealt = [...batches(categories, 1000)];
    const ranges = categories.map(({ name }) => dealt.filter(({ category }) => category.name === name));
    const counts = ranges.map((own) => own.reduce((sum, { count }) => sum + count, 0));
    expect(counts).toEqual([500, 300, 200]);
    for (const own of ranges)
      own.forEach(({ first }, i) => expect(first).toBe(i === 0 ? 0 : own[i - 1]!.first + own[i - 1]!.count));
    // The clock may end a run after any round: each has some of all.
    expect(dealt.slice(0, 3).map(({ category }) => category.name)).toEqual(
      categories.map(({ name }) => name),
    );
    expect([...batches(categories, 7)].reduce((sum, { count }) => sum + count, 0)).toBe(7);
  });
});

describe('a case is judged', () => {
  async function outcomeOf(name: string, index: number): Promise<[string, string | undefined]> {
    const category = planted(name);
    const { outcome, problem } = await examine(category, await category.prepare(Draw.of(1, name, index)));
    return [outcome, problem];
  }

  it('by what it is read as, or refused with', async () => {
    const outcomes = new Set<string>();
    for (let index = 0; index < 20; index++) {
      const [outcome, problem] = await outcomeOf('sound', index);
      expect(problem).toBeUndefined();
      outcomes.add(outcome);
    }
    expect(outcomes).toEqual(new Set(['read', 'corrupt-file']));
  });

  it.each([
    ['untyped', /TypeError: Cannot read properties of undefined/],
    ['unexpected', /the code internal, which is not expected here: TernionError: This cannot be/],
    ['changing', /read twice, it gave read \(0\) and then read \(1\)/],
  ])('to be a finding: %s', async (name, words) => {
    const [outcome, problem] = await outcomeOf(name, await firstBug(name));
    expect(outcome).toBe('finding');
    expect(problem).toMatch(words);
  });
});

describe('the command line', () => {
  it('says what is to be run', () => {
    const options = parseFuzzOptions(['--seed', '7', '--only', 'gguf', '--case', '1234'], ['gguf']);
    expect(options).toMatchObject({
      seed: 7,
      only: 'gguf',
      index: 1234,
      limit: 60,
      folder: 'test-results/fuzz',
    });
    expect(parseFuzzOptions([], []).cases).toBe(1000);
    expect(parseFuzzOptions(['--seconds', '120'], [])).toMatchObject({ seconds: 120, cases: Infinity });
  });

  it.each([
    [['--only', 'pdf']],
    [['--case', '1']],
    [['--cases', 'many']],
    [['--cases', '-1']],
    [['--speed', '1']],
  ])('is refused: %j', (args) => {
    expect(() => parseFuzzOptions(args, ['gguf'])).toThrow();
  });
});

interface Ended {
  output: string;
  code: number;
  figures: FuzzFigures;
}

const PLANTED = fileURLToPath(new URL('../../support/planted/fuzz.mjs', import.meta.url));

/** Runs the planted fuzzer as a program. */
function run(...args: string[]): Promise<Ended> {
  const json = join(folder, 'figures.json');
  const all = [PLANTED, ...args, '--save', join(folder, 'found'), '--json', json];
  return new Promise((resolve) => {
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({
        output: stdout + stderr,
        code: Number(error?.code ?? 0),
        figures: JSON.parse(readFileSync(json, 'utf8')) as FuzzFigures,
      }),
    );
  });
}

describe('a run', () => {
  it('of what is sound finds nothing', async () => {
    const { code, output, figures } = await run('--only', 'sound', '--cases', '200');
    expect(output).toMatch(/Seed 1: 200 cases in \d+ s, 0 findings\./);
    expect(figures).toMatchObject({ cases: 200, findings: [] });
    expect(code).toBe(0);
  });

  it.each([
    ['untyped', /TypeError/],
    ['unheard', /a rejection that nobody heard: Error: nobody hears of \d/],
    ['exiting', /the process ended \(exit code 7, signal null\)/],
    ['looping', /it hangs: it took more than 1 s of the processor/],
  ])('finds the bug in %s, names the case, keeps its bytes, and goes on', async (name, words) => {
    const bug = await firstBug(name);
    const { code, output, figures } = await run('--only', name, '--cases', String(bug + 3), '--limit', '1');
    const [finding] = figures.findings;
    expect(finding).toMatchObject({
      category: name,
      index: bug,
      problem: expect.stringMatching(words) as unknown,
    });
    expect(output).toContain(`npm run fuzz -- --seed 1 --only ${name} --case ${bug}`);
    expect(readdirSync(finding!.folder).sort()).toEqual(['input.bin', 'problem.txt']);
    expect(readFileSync(join(finding!.folder, 'input.bin'))[0]).toBeLessThan(8);
    expect(figures.cases).toBe(bug + 3);
    expect(code).toBe(1);
    // The command that is printed runs this case and no other.
    const again = await run('--seed', '1', '--only', name, '--case', String(bug), '--limit', '1');
    expect(again.figures).toMatchObject({ cases: 1, findings: [{ index: bug }] });
  });
});
