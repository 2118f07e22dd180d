// The process that runs cases: it may hang, crash or run out of memory, and the fuzzer goes on.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Category } from './category';
import { Draw } from './draw';
import { describe, examine, finding, type Examined } from './examine';
import { folderOf, type Order, type Report } from './protocol';

/** What all cases of a run have in common. */
export interface ServeOptions {
  seed: number;
  /** Where findings are kept. */
  folder: string;
}

/** Carries out orders until the fuzzer is gone. */
export function serveCases(categories: readonly Category[], options: ServeOptions): void {
  process.on('disconnect', () => process.exit());
  process.on('message', (order: Order) => void carryOut(categories, options, order));
}

async function carryOut(categories: readonly Category[], options: ServeOptions, order: Order): Promise<void> {
  const category = categories.find(({ name }) => name === order.category);
  if (!category) throw new Error(`There is no category ${order.category}.`);
  if (order.kind === 'save') {
    await keep(category, options, order.index);
  } else {
    for (let index = order.first; index < order.first + order.count; index++) {
      await tell({ kind: 'begin', index });
      await tell({ kind: 'end', index, examined: await runCase(category, options, index) });
    }
  }
  await tell({ kind: 'done' });
}

async function runCase(category: Category, options: ServeOptions, index: number): Promise<Examined> {
  const prepared = await category.prepare(Draw.of(options.seed, category.name, index));
  const unheard: unknown[] = [];
  const onUnheard = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', onUnheard);
  let examined = await examine(category, prepared);
  // Rejections that nobody hears are told after the microtasks of the case.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnheard);
  if (unheard.length > 0 && examined.problem === undefined)
    examined = { ...examined, ...finding(`a rejection that nobody heard: ${describe(unheard[0])}`) };
  if (examined.problem !== undefined) await keep(category, options, index, examined.problem);
  return examined;
}

async function keep(
  category: Category,
  { seed, folder }: ServeOptions,
  index: number,
  problem = 'It did not come to an end.',
): Promise<void> {
  const prepared = await category.prepare(Draw.of(seed, category.name, index));
  const target = folderOf(folder, category.name, seed, index);
  await mkdir(target, { recursive: true });
  const files = { ...prepared.files(), 'problem.txt': `${problem}\n` };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(target, name.replaceAll(/[^\w.-]/g, '_')), content);
  }
}

/** Resolves when the message is on its way, so that it arrives even if the process blocks right after it. */
function tell(report: Report): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send!(report, undefined, undefined, (error: Error | null) => (error ? reject(error) : resolve())),
  );
}
