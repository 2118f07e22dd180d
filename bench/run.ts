// The benchmark in Node, on Dawn: `npm run bench -- --model 125m`. bench/start.mjs has chosen the driver.

import { writeFile } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { probeCapabilities } from '../src/gpu/capabilities';
import { benchmarkModel, type BenchmarkModel, type BenchmarkOptions } from './core/benchmark';
import { CeilingMeter } from './core/ceilings';
import { adapterSlug, reportOf } from './core/report';
import { SHAPES, shapeNamed, type ShapeName } from './core/shapes';
import { describeCeilings, tablesOf, textTable } from './core/tables';
import { verdictOf } from './core/verdict';
import { openDevice } from './node-device';
import { openFile } from './node-file';
import { RESULTS, saveReport } from './save-report';
import { writeModel } from './write-model';

const EMBEDDED = 'public/models/ternion-tiny-i2_s.gguf';

const USAGE = `Usage: npm run bench -- [options]

  --model NAME        tiny (the embedded model), ${Object.keys(SHAPES)
    .filter((name) => name !== 'tiny')
    .join(', ')},
                      or the path of a GGUF file; may be given several times (default: tiny)
  --driver NAME       lavapipe, swiftshader, or system (the machine's own GPU)
  --quick             fewer repetitions
  --contexts A,B      contexts to decode at (default 0,512,2048)
  --prefill A,B       lengths of prompts (default 32,128,512)
  --budget SECONDS    the longest that one figure may take (default 60)
  --limits default    a device with the limits that every WebGPU implementation has
  --json FILE         writes all figures to a file
  --save              adds them to ${RESULTS}

npm run bench -- generate SHAPE writes a random model and measures nothing.
npm run bench -- kernel NAME times the variants of one kernel; --help says more.
npm run bench -- add FILE adds a report that somebody has sent to ${RESULTS}, if it is one.
npm run bench -- guided SHAPE times decoding under masks, guides and functions on logits.
npm run bench -- first-token tells what a visit to a page with the embedded model waits for until its first token, in Chromium.
npm run bench -- sampling SHAPE times decoding with temperature, top-p, top-k and min-p beside greedy.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', multiple: true, default: ['tiny'] },
      quick: { type: 'boolean', default: false },
      contexts: { type: 'string' },
      prefill: { type: 'string' },
      budget: { type: 'string', default: '60' },
      limits: { type: 'string', default: 'adapter' },
      json: { type: 'string' },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const device = await openDevice(values.limits === 'default' ? 'default' : 'adapter');
  const capabilities = await probeCapabilities(device);
  const { vendor, architecture, device: name, description } = device.adapterInfo;
  const adapter = { vendor, architecture, device: name, description };
  const meter = await CeilingMeter.create(device, capabilities, { quick: values.quick });
  console.log(`${description || adapterSlug(adapter)}: ${describeCeilings(meter.ceilings)}`);
  const options: BenchmarkOptions = {
    quick: values.quick,
    ...(values.contexts && { contexts: numbers(values.contexts) }),
    ...(values.prefill && { prefill: numbers(values.prefill) }),
    budgetMs: Number(values.budget) * 1000,
    memory: { used: memoryUsed, ...(globalThis.gc && { collect: () => collectGarbage(globalThis.gc!) }) },
    onProgress: (what) => console.error(`  ${what} …`),
  };
  const measured = {
    adapter,
    environment: environment(),
    capabilities,
    ceilings: meter.ceilings,
    models: [],
  };
  const report = reportOf(measured);
  for (const wanted of values.model) {
    const { model, close } = await openModel(wanted);
    try {
      const result = await benchmarkModel(device, capabilities, meter, model, options);
      report.models.push(result);
      console.log(`\n${result.model} (${result.architecture})`);
      for (const line of [...result.notes, ...verdictOf(result)]) console.log(line);
      for (const table of tablesOf(result)) console.log(textTable(table));
    } finally {
      await close();
    }
  }
  report.ceilings = meter.ceilings;
  if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.save) console.log(`\nSaved as ${(await saveReport(report)).join(' and ')}`);
  device.destroy();
}

/** Twice, with time between for what natives let go of. */
async function collectGarbage(collect: () => unknown): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
}

function memoryUsed(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function environment(): string {
  const cores = cpus();
  return `Dawn under Node ${process.version}, ${process.platform} ${arch()}, ${cores.length} cores (${cores[0]?.model.trim() ?? 'unknown'})`;
}

function numbers(list: string): number[] {
  const values = list.split(',').map(Number);
  if (values.every((value) => Number.isInteger(value) && value >= 0)) return values;
  throw new Error(`'${list}' is no list of whole numbers.`);
}

interface OpenModel {
  model: BenchmarkModel;
  close: () => Promise<void>;
}

async function openModel(wanted: string): Promise<OpenModel> {
  const shape = wanted === 'tiny' ? undefined : shapeNamed(wanted);
  if (shape) return openGenerated(shape);
  const path = wanted === 'tiny' ? EMBEDDED : wanted;
  const { source, close } = await openFile(path);
  return { model: { name: wanted, source, chat: true }, close };
}

async function openGenerated(shape: ShapeName): Promise<OpenModel> {
  const { source, close } = await openFile(await writeModel(shape));
  return { model: { name: shape, source, notes: ['Random weights.'] }, close };
}

await main();
// Dawn keeps threads of its own.
process.exit();
