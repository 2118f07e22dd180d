// A run of the soak: rounds until the time is over, samples of memory between them, and a report at the end.

import { writeFile } from 'node:fs/promises';
import { aligned } from '../fuzz/tally';
import { controlApart, growthLine, runControl, type Control } from './control';
import { SoakGpu } from './device';
import { readModels, readQuestions } from './models';
import { parseSoakOptions, SOAK_USAGE, type SoakOptions } from './options';
import { Rounds } from './rounds';
import { trendsOf, type Sample, type Trend } from './trend';

/** A round that takes longer hangs, whatever else the machine does. */
const ROUND_MS = 15 * 60_000;
/** Between two lines of progress. */
const PROGRESS_MS = 60_000;
/** Findings after which there is no use in going on. */
const MOST_FINDINGS = 20;
/** Devices of the control run, at most. */
const MOST_CONTROLS = 20;

/** The soak's main program; sets the exit code. */
export async function soak(args: readonly string[]): Promise<void> {
  let options: SoakOptions;
  try {
    options = parseSoakOptions(args);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
    return;
  }
  if (options.help) return console.log(SOAK_USAGE);
  if (options.control !== undefined) return console.log(JSON.stringify(await runControl(options.control)));
  console.log(`Seed ${options.seed}.`);
  const gpu = new SoakGpu();
  const rounds = new Rounds(gpu, await readModels(), await readQuestions(), options.seed);
  const samples = await run(rounds, options.seconds);
  await rounds.end();
  const control = await controlApart(Math.min(MOST_CONTROLS, Math.max(3, gpu.devices)));
  await report(rounds, samples, { devices: gpu.devices, control, options });
}

async function run(rounds: Rounds, seconds: number): Promise<Sample[]> {
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const samples: Sample[] = [];
  let shown = began;
  do {
    const watchdog = setTimeout(() => hang(rounds), ROUND_MS);
    await rounds.next();
    clearTimeout(watchdog);
    const sample = await rounds.sample(elapsed());
    samples.push(sample);
    if (performance.now() - shown < PROGRESS_MS) continue;
    shown = performance.now();
    console.log(progressLine(rounds, sample));
  } while (elapsed() < seconds && rounds.findings.length < MOST_FINDINGS);
  return samples;
}

function hang({ doing }: Rounds): never {
  console.error(`\nFINDING: it hangs in ${doing}: no end after ${ROUND_MS / 60_000} minutes.`);
  process.exit(1);
}

function progressLine({ figures, actions }: Rounds, { at, heap, rss, gpuBytes }: Sample): string {
  const [minutes, done] = [(at / 60).toFixed(1), `${figures.rounds} rounds, ${actions.compared} compared`];
  return `${minutes} min: ${done}, heap ${megabytes(heap)}, RSS ${megabytes(rss)}, GPU ${megabytes(gpuBytes)}`;
}

interface Context {
  devices: number;
  control: Control;
  options: SoakOptions;
}

async function report(rounds: Rounds, samples: readonly Sample[], context: Context): Promise<void> {
  const { devices, control, options } = context;
  const { figures, actions, findings } = rounds;
  const trends = trendsOf(samples);
  const grown = trends
    .filter(({ exceeded }) => exceeded)
    .map(({ metric }) => `${metric} grows beyond its bound`);
  const all = [...findings, ...grown];
  const { seed } = options;
  console.log(`\n${trendTable(trends)}\n\n${countsTable({ ...figures, ...actions, devices })}`);
  console.log(`\nControl: ${growthLine('made and destroyed', control.bare)}.`);
  console.log(`Control: ${growthLine('kernels compiled and run without an engine', control.kernels)}.`);
  const minutes = ((samples.at(-1)?.at ?? 0) / 60).toFixed(1);
  const found = all.length === 1 ? '1 finding' : `${all.length} findings`;
  console.log(`\nSeed ${seed}: ${figures.rounds} rounds in ${minutes} min, ${found}.`);
  for (const each of all) console.log(`  ${each.split('\n')[0]}`);
  if (options.json !== undefined) {
    const written = { seed, figures, actions, devices, trends, control, findings: all, samples };
    await writeFile(options.json, `${JSON.stringify(written, null, 2)}\n`);
  }
  if (all.length > 0) process.exitCode = 1;
}

function trendTable(trends: readonly Trend[]): string {
  if (trends.length === 0) return 'Fewer than four rounds: nothing is said of how memory grows.';
  const shown = (metric: string, value: number): string =>
    metric === 'gpuBuffers' ? value.toFixed(0) : megabytes(value);
  const rows = trends.map(({ metric, first, last, perHour, bound, exceeded }) => [
    metric,
    shown(metric, first),
    shown(metric, last),
    shown(metric, perHour),
    bound === undefined ? 'none' : shown(metric, bound),
    exceeded ? 'GROWS' : '',
  ]);
  return aligned([['', 'first quarter', 'last quarter', 'slope per hour', 'bound', ''], ...rows]);
}

function countsTable(counts: Readonly<Record<string, number>>): string {
  const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return aligned(Object.entries(counts).map(([name, count]) => [words(name), String(count)]));
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
