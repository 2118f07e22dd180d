// A stretch of the soak: rounds until its time is over, in this process or in one of its own, and samples of memory between.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SoakGpu } from './device';
import { readModels, readQuestions } from './models';
import { Rounds } from './rounds';
import { trendsOf, type Sample, type Trend } from './trend';

/** A round that takes longer hangs, whatever else the machine does. */
const ROUND_MS = 15 * 60_000;
/** Between two lines of progress. */
const PROGRESS_MS = 60_000;
/** Findings after which there is no use in going on. */
const MOST_FINDINGS = 20;

/** Which rounds, and for how long. */
export interface StretchOptions {
  seed: number;
  seconds: number;
  /** The number of the first round. */
  from: number;
}

/** What came of it; plain data. */
export interface Stretch {
  seconds: number;
  /** What was done and what befell it, by name. */
  counts: Record<string, number>;
  /** What was wrong, in words. */
  findings: string[];
  trends: Trend[];
  samples: Sample[];
}

/** Runs a stretch in this process. */
export async function runStretch({ seed, seconds, from }: StretchOptions): Promise<Stretch> {
  const gpu = new SoakGpu();
  const rounds = new Rounds(gpu, await readModels(), await readQuestions(), seed, from);
  const samples = await sampleRounds(rounds, seconds);
  await rounds.end();
  const { figures, actions, findings } = rounds;
  return {
    seconds: samples.at(-1)!.at,
    counts: { ...figures, ...actions, devices: gpu.devices },
    findings,
    trends: trendsOf(samples),
    samples,
  };
}

/** Runs a stretch in a process of its own. That it ends without a word is a finding. */
export async function stretchApart({ seed, seconds, from }: StretchOptions): Promise<Stretch> {
  const folder = await mkdtemp(join(tmpdir(), 'ternion-soak-'));
  const json = join(folder, 'stretch.json');
  try {
    const args = ['--minutes', String(seconds / 60), '--seed', String(seed), '--from', String(from)];
    const status = await runSelf([...args, '--json', json, '--stretch']);
    const written = await readFile(json, 'utf8').catch(() => undefined);
    if (written !== undefined) return JSON.parse(written) as Stretch;
    const finding = `the process that began with round ${from} ended by itself (${status})`;
    return { seconds, counts: {}, findings: [finding], trends: [], samples: [] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs this program with other arguments; resolves to how it ended. */
function runSelf(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

async function sampleRounds(rounds: Rounds, seconds: number): Promise<Sample[]> {
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
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const [minutes, done] = [(at / 60).toFixed(1), `${figures.rounds} rounds, ${actions.compared} compared`];
  return `${minutes} min: ${done}, heap ${megabytes(heap)}, RSS ${megabytes(rss)}, GPU ${megabytes(gpuBytes)}`;
}
