// What the compiler of a real GPU makes of every kernel, without that GPU: `npm run isa -- --gpu navi31`.

import { spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SHAPES, shapeNamed, type ShapeName } from '../bench/core/shapes';
import { CHIPS, chipEnvironment, type Chip, type Vendor } from './isa/chips';
import { compileForParent, type CompileResult } from './isa/compile';
import { betweenMarks } from './isa/marks';
import { reportMarkdown, reportText, type ChipReport } from './isa/report';

const RESULTS = 'bench/results/isa.md';

const USAGE = `Usage: npm run isa -- --gpu NAME [options]

  --gpu NAME      ${CHIPS.map(({ name }) => name).join(', ')}; may be given several times
  --model SHAPE   ${Object.keys(SHAPES).join(', ')} (default: bitnet-2b4t)
  --markdown      writes the tables to ${RESULTS} instead

Compiles every kernel of the shape with Mesa's drivers, on a stub that runs nothing. Exits with 1 if what runs where nothing was
measured spills registers, uses scratch memory or, in a decode step, leaves room for too few waves.
${[...new Set(CHIPS.map(({ vendor }) => vendor))].map(takes).join('\n')}`;

function takes(vendor: Vendor): string {
  const names = CHIPS.filter((chip) => chip.vendor === vendor).map(({ name }) => name);
  return `${names.join(', ')}: takes ${vendor.needs}.`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      gpu: { type: 'string', multiple: true, default: [] },
      model: { type: 'string', default: 'bitnet-2b4t' },
      markdown: { type: 'boolean', default: false },
      compile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const shape = shapeNamed(values.model);
  const chips = values.gpu.map((name) => CHIPS.find((chip) => chip.name === name));
  if (values.help || !shape || !chips.every((chip) => chip !== undefined)) {
    console.log(USAGE);
    return values.help ? 0 : 1;
  }
  if (values.compile) {
    await compileForParent(shape);
    return 0;
  }
  if (chips.length === 0) {
    console.log(USAGE);
    return 1;
  }
  return report(shape, chips, values.markdown);
}

async function report(shape: ShapeName, chips: readonly Chip[], toMarkdown: boolean): Promise<number> {
  const reports: ChipReport[] = [];
  const missing: Chip[] = [];
  for (const chip of chips) {
    const environment = chipEnvironment(chip);
    if (!environment) {
      console.log(`NOTE: nothing is compiled for ${chip.name}: it takes ${chip.vendor.needs}.`);
      missing.push(chip);
      continue;
    }
    const made = await compile(shape, chip, environment);
    if (!toMarkdown) console.log(`${chip.name}, ${chip.product}: ${made.driver}\n\n${reportText(made)}\n`);
    reports.push(made);
  }
  // A page without some of its tables would look as if they had been dropped.
  if (toMarkdown && missing.length > 0) return 1;
  if (toMarkdown) await writeFile(RESULTS, reportMarkdown(shape, reports));
  if (reports.some(({ compiled }) => compiled.some(({ faults }) => faults.length > 0))) return 1;
  // Continuous integration runs on machines that have none of the packages.
  return process.env.CI || missing.every(({ vendor }) => vendor.optional) ? 0 : 1;
}

/** Compiles in a process of its own, since the stub has to be there before it begins. */
async function compile(
  shape: ShapeName,
  chip: Chip,
  environment: Record<string, string>,
): Promise<ChipReport> {
  const folder = await mkdtemp(join(tmpdir(), 'ternion-isa-'));
  try {
    return await compileIn(folder, shape, chip, environment);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function compileIn(
  folder: string,
  shape: ShapeName,
  chip: Chip,
  environment: Record<string, string>,
): Promise<ChipReport> {
  // Intel's driver prints megabytes: to a file, since what is written to a pipe that is full is lost.
  const paths = ['result', 'log'].map((name) => join(folder, name));
  const files = await Promise.all(paths.map((path) => open(path, 'w')));
  const child = spawn(process.execPath, [process.argv[1]!, '--compile', '--model', shape], {
    stdio: ['ignore', ...files.map(({ fd }) => fd)],
    env: { ...process.env, ...environment },
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  await Promise.all(files.map((file) => file.close()));
  const [out = '', log = ''] = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  if (status !== 0) throw new Error(`Compiling for ${chip.name} failed:\n${log.slice(-4000)}`);
  const { driver, uses } = JSON.parse(out) as CompileResult;
  const printed = betweenMarks(log);
  const compiled = uses.map((use) => {
    const lines = printed.get(use.id);
    if (!lines) throw new Error(`The driver printed nothing of pipeline ${use.id} (${use.shader}).`);
    return chip.vendor.compiled(use, lines);
  });
  return { chip, driver, compiled };
}

// Dawn keeps threads of its own.
process.exit(await main());
