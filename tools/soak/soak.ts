// The soak's main program: stretches of rounds, each in a process of its own, and a report at the end.

import { writeFile } from 'node:fs/promises';
import { aligned } from '../fuzz/tally';
import { controlApart, growthLine, runControl, type Control } from './control';
import { parseSoakOptions, SOAK_USAGE, type SoakOptions } from './options';
import { runStretch, stretchApart, type Stretch } from './stretch';
import { LEAST_SAMPLES, type Trend } from './trend';

/**
 * Rounds in one process. Lavapipe keeps the code that it compiles for devices that are gone: after some 290 rounds the system
 * gives the process no further maps.
 */
const ROUNDS = 120;
/** Findings after which there is no use in going on. */
const MOST_FINDINGS = 20;
/** Devices of the control run, at most. */
const MOST_CONTROLS = 20;

/** Runs the soak; sets the exit code. */
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
  if (options.rounds !== undefined) return writeStretch(options.rounds, options);
  console.log(`Seed ${options.seed}.`);
  const stretches = await runAll(options);
  const devices = stretches.reduce((sum, each) => sum + (each.counts.devices ?? 0), 0);
  const control = await controlApart(Math.min(MOST_CONTROLS, Math.max(3, devices)));
  await report(stretches, control, options);
}

/** Part of a longer soak: another process reports. */
async function writeStretch(rounds: number, { seed, seconds, from, json }: SoakOptions): Promise<void> {
  const stretch = await runStretch({ seed, seconds, from, rounds });
  if (json !== undefined) await writeFile(json, JSON.stringify(stretch));
}

async function runAll({ seed, seconds, from }: SoakOptions): Promise<Stretch[]> {
  const stretches: Stretch[] = [];
  let [left, next, findings] = [seconds, from, 0];
  do {
    const stretch = await stretchApart({ seed, seconds: left, from: next, rounds: ROUNDS });
    stretches.push(stretch);
    next += stretch.counts.rounds ?? ROUNDS;
    left -= stretch.seconds;
    findings += stretch.findings.length;
  } while (left > 0 && findings < MOST_FINDINGS);
  return stretches;
}

async function report(stretches: readonly Stretch[], control: Control, options: SoakOptions): Promise<void> {
  const { seed } = options;
  const grown = stretches.flatMap(({ trends }) =>
    trends.filter(({ exceeded }) => exceeded).map(({ metric }) => `${metric} grows beyond its bound`),
  );
  const findings = [...stretches.flatMap((stretch) => stretch.findings), ...grown];
  const counts = sums(stretches.map((stretch) => stretch.counts));
  for (const [i, { trends }] of stretches.entries()) {
    if (stretches.length > 1) console.log(`\nProcess ${i + 1} of ${stretches.length}:`);
    console.log(`\n${trendTable(trends)}`);
  }
  console.log(`\n${countsTable(counts)}`);
  console.log(`\nControl: ${growthLine('made and destroyed', control.bare)}.`);
  console.log(`Control: ${growthLine('kernels compiled and run without an engine', control.kernels)}.`);
  const seconds = stretches.reduce((sum, each) => sum + each.seconds, 0);
  const found = findings.length === 1 ? '1 finding' : `${findings.length} findings`;
  console.log(`\nSeed ${seed}: ${counts.rounds ?? 0} rounds in ${(seconds / 60).toFixed(1)} min, ${found}.`);
  for (const each of findings) console.log(`  ${each.split('\n')[0]}`);
  if (options.json !== undefined) {
    const written = { seed, counts, findings, control, stretches };
    await writeFile(options.json, `${JSON.stringify(written, null, 2)}\n`);
  }
  if (findings.length > 0) process.exitCode = 1;
}

function sums(counts: readonly Record<string, number>[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const each of counts) {
    for (const [name, count] of Object.entries(each)) all[name] = (all[name] ?? 0) + count;
  }
  return all;
}

function trendTable(trends: readonly Trend[]): string {
  if (trends.length === 0) return `Fewer than ${LEAST_SAMPLES} rounds: nothing is said of how memory grows.`;
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
