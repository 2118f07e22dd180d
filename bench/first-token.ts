// From navigation to the first token of the embedded model, in Chromium on SwiftShader: `npm run bench -- first-token`. A visit is a
// page in a profile that is kept: the first one finds nothing there, later ones what the first has left.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type BrowserContext } from 'playwright';
import { build } from 'vite';
import { CHROMIUM_ARGS, findChromium } from '../test/support/machine.mjs';
import { textTable } from './core/tables';
import type { Visit } from './first-token/page';

const USAGE = `Usage: npm run bench -- first-token [--rounds N]

Builds a page that loads the embedded model and asks it a question, and visits it in Chromium on SwiftShader with a profile that is
kept: once with nothing there, then N times (default 5) in a browser that was started again, N times in the same one.
Prints for each kind of visit the one with the soonest first token, in ms, and the CPU time of all of Chromium's processes.`;

interface MeasuredVisit extends Visit {
  /** From navigation to the end of the answer, ms of all cores; undefined where /proc is not there. */
  cpu: number | undefined;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, help: { type: 'boolean', default: false } },
  });
  const rounds = Number(values.rounds);
  if (values.help || !(rounds > 0)) return console.log(USAGE);
  const folder = await mkdtemp(join(tmpdir(), 'ternion-first-token-'));
  const site = join(folder, 'site');
  await buildPage(site);
  const { server, url } = await serve(site);
  try {
    const profile = join(folder, 'profile');
    const first = await inBrowser(profile, (browser) => visit(browser, url));
    const again: MeasuredVisit[] = [];
    for (let i = 0; i < rounds; i++) again.push(await inBrowser(profile, (browser) => visit(browser, url)));
    const same = await inBrowser(profile, async (browser) => {
      const visits: MeasuredVisit[] = [];
      for (let i = 0; i <= rounds; i++) visits.push(await visit(browser, url));
      return visits.slice(1);
    });
    print({ 'first visit': [first], 'browser started again': again, 'the same browser': same });
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function buildPage(outDir: string): Promise<void> {
  await build({
    configFile: 'vite.config.ts',
    root: 'bench/first-token',
    logLevel: 'warn',
    publicDir: false,
    build: { outDir, emptyOutDir: true, rollupOptions: { input: 'bench/first-token/page.html' } },
  });
}

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

/** A static host of `folder`, whose files may be kept but have to be asked for again. */
async function serve(folder: string): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
    readFile(join(folder, path)).then(
      (bytes) => {
        const type = TYPES[extname(path)] ?? 'application/octet-stream';
        const headers = { 'content-type': type, etag: `"${bytes.length}"`, 'content-length': bytes.length };
        response.writeHead(200, headers).end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/page.html` };
}

async function inBrowser<T>(profile: string, use: (browser: BrowserContext) => Promise<T>): Promise<T> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('There is no Chromium here; CHROMIUM_PATH says where it is.');
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: [...CHROMIUM_ARGS],
    timeout: 0,
  });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

async function visit(browser: BrowserContext, url: string): Promise<MeasuredVisit> {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  const before = await cpuOfChildren();
  await page.goto(url);
  const seen = await page.evaluate<Visit>('globalThis.visit');
  const after = await cpuOfChildren();
  await page.close();
  return { ...seen, cpu: before === undefined || after === undefined ? undefined : after - before };
}

/** CPU time of all processes below this one, ms. */
async function cpuOfChildren(): Promise<number | undefined> {
  const names = await readdir('/proc').catch(() => []);
  const stats = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map((name) => readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')),
  );
  const processes = new Map<number, { parent: number; ticks: number }>();
  for (const stat of stats) {
    // The name in brackets may have spaces.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    if (fields.length > 12)
      processes.set(parseInt(stat), { parent: fields[1]!, ticks: fields[11]! + fields[12]! });
  }
  if (processes.size === 0) return undefined;
  const isChild = (id: number): boolean => {
    const parent = processes.get(id)?.parent ?? 0;
    return parent === process.pid || (parent > 1 && isChild(parent));
  };
  const ticks = [...processes].reduce((sum, [id, each]) => sum + (isChild(id) ? each.ticks : 0), 0);
  return ticks * 10;
}

/** The phases of a visit, one after the other, ms. */
function split({ script, ready, firstToken, load, cpu }: MeasuredVisit): number[] {
  const { device, open, upload, check, tune, compile, total, pipelines } = load;
  const worker = ready - script - total;
  const phases = [script, worker, device, open, upload, check, tune, compile, firstToken - ready, firstToken];
  return [...phases.map(Math.round), Math.round(cpu ?? NaN), pipelines];
}

function print(visits: Record<string, MeasuredVisit[]>): void {
  const best = (list: MeasuredVisit[]): MeasuredVisit =>
    list.reduce((a, b) => (b.firstToken < a.firstToken ? b : a));
  console.log(
    textTable({
      title: 'From navigation to the first token, ms: the soonest of each kind of visit',
      columns: [
        '',
        'navigate',
        'worker',
        'device',
        'open',
        'upload',
        'check',
        'tune',
        'compile',
        'prefill',
        'first token',
        'CPU',
        'pipelines',
      ],
      rows: Object.entries(visits).map(([name, list]) => [
        `${name} (${list.length})`,
        ...split(best(list)).map(String),
      ]),
    }),
  );
}

await main();
