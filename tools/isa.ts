// What the compiler of a real GPU makes of every kernel, without that GPU: `npm run isa -- --gpu navi31`.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { SHAPES, shapeNamed, type ShapeName } from '../bench/core/shapes';
import { CHIPS, chipEnvironment, PACKAGES, type Chip } from './isa/chips';
import { compileForParent, type CompileResult } from './isa/compile';
import { reportMarkdown, reportText, type ChipReport } from './isa/report';
import { parseStatistics } from './isa/statistics';
import { faults } from './isa/verdict';

const RESULTS = 'bench/results/isa.md';

const USAGE = `Usage: npm run isa -- --gpu NAME [options]

  --gpu NAME      ${CHIPS.map(({ name }) => name).join(', ')}; may be given several times
  --model SHAPE   ${Object.keys(SHAPES).join(', ')} (default: bitnet-2b4t)
  --markdown      writes the tables to ${RESULTS} instead

Compiles every kernel of the shape with Mesa's RADV, on a stub that runs nothing. Exits with 1 if what runs where nothing was
measured spills registers, uses scratch memory or, in a decode step, leaves room for too few waves.
It takes the packages ${PACKAGES}.`;

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
  for (const chip of chips) {
    const environment = chipEnvironment(chip);
    if (!environment) {
      console.log(`NOTE: nothing is compiled for ${chip.name}: it takes the packages ${PACKAGES}.`);
      // Continuous integration runs on machines that have none of them.
      return process.env.CI ? 0 : 1;
    }
    const made = await compile(shape, chip, environment);
    if (!toMarkdown) console.log(`${chip.name}, ${chip.product}: ${made.driver}\n\n${reportText(made)}\n`);
    reports.push(made);
  }
  if (toMarkdown) await writeFile(RESULTS, reportMarkdown(shape, reports));
  return reports.some(({ compiled }) => faults(compiled).length > 0) ? 1 : 0;
}

/** Compiles in a process of its own, since the stub has to be there before it begins. */
async function compile(
  shape: ShapeName,
  chip: Chip,
  environment: Record<string, string>,
): Promise<ChipReport> {
  const child = spawn(process.execPath, [process.argv[1]!, '--compile', '--model', shape], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [out, log, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0) throw new Error(`Compiling for ${chip.name} failed:\n${log.slice(-4000)}`);
  const { driver, uses } = JSON.parse(out) as CompileResult;
  const statistics = parseStatistics(log);
  const compiled = uses.map((use) => {
    const own = statistics.get(use.id);
    if (!own) throw new Error(`The driver printed nothing of pipeline ${use.id} (${use.shader}).`);
    return { use, statistics: own };
  });
  return { chip, driver, compiled };
}

// Dawn keeps threads of its own.
process.exit(await main());
