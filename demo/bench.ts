// The benchmark page: the benchmark of bench/core on the visitor's own GPU, with tables to read and JSON to copy.

import { benchmarkModel, type BenchmarkModel, type BenchmarkOptions } from '../bench/core/benchmark';
import { CeilingMeter } from '../bench/core/ceilings';
import { GeneratedModel } from '../bench/core/generated-model';
import { adapterSlug, reportOf, type Report } from '../bench/core/report';
import { SHAPES, shapeNamed, type ShapeName } from '../bench/core/shapes';
import { verdictOf } from '../bench/core/verdict';
import { browserGpu, probeCapabilities, requestDevice } from '../src/gpu/capabilities';
import { openSource } from '../src/storage/sources/open-source';
import { otherReports } from './bench-results';
import { modelSection } from './bench-view';
import { byId, create, formatBytes } from './dom';

const BUILT_IN = new URL('models/ternion-tiny-i2_s.gguf', document.baseURI).href;
const FILE = 'file';
/** With `?few` in the address the ceilings are the best of few kernels, for tests of this page: software adapters compile slowly. */
const FEW = new URLSearchParams(location.search).has('few');

const page = {
  form: byId('form', HTMLFormElement),
  model: byId('model', HTMLSelectElement),
  quick: byId('quick', HTMLInputElement),
  run: byId('run', HTMLButtonElement),
  stop: byId('stop', HTMLButtonElement),
  file: byId('file', HTMLInputElement),
  status: byId('status', HTMLElement),
  alert: byId('alert', HTMLElement),
  results: byId('results', HTMLElement),
  jsonSection: byId('json-section', HTMLElement),
  json: byId('json', HTMLTextAreaElement),
  copy: byId('copy', HTMLButtonElement),
  download: byId('download', HTMLButtonElement),
};

/** Ends the measurement that is under way. */
let running: AbortController | undefined;
let report: Report | undefined;

function option(value: string, text: string): HTMLOptionElement {
  const element = create('option', { text });
  element.value = value;
  return element;
}

function fillModels(): void {
  page.model.append(option('', 'Built-in model'));
  for (const name of Object.keys(SHAPES) as ShapeName[]) {
    if (name === 'tiny') continue;
    page.model.append(option(name, `${name}, generated (${formatBytes(generated(name).model.source.size)})`));
  }
  page.model.append(option(FILE, 'A file …'));
}

function generated(name: ShapeName): { model: BenchmarkModel } {
  const source = new GeneratedModel(name, SHAPES[name]);
  return { model: { name, source, notes: ['Random weights.'] } };
}

async function openModel(file: File | undefined, signal: AbortSignal): Promise<BenchmarkModel> {
  const shape = shapeNamed(page.model.value);
  if (shape) return generated(shape).model;
  const { files } = await openSource(file ?? BUILT_IN, { signal });
  return { name: file?.name ?? 'tiny', source: files.main.bytes, chat: true };
}

async function run(file?: File): Promise<void> {
  const control = new AbortController();
  running = control;
  showRunning(true);
  page.alert.replaceChildren();
  let device: GPUDevice | undefined;
  try {
    device = await requestDevice(browserGpu());
    await measure(device, await openModel(file, control.signal), control.signal);
    const [latest] = report?.models.slice(-1) ?? [];
    page.status.textContent = ['Done.', ...(latest ? verdictOf(latest).slice(0, 1) : [])].join(' ');
  } catch (error) {
    page.status.textContent = control.signal.aborted ? 'Stopped.' : '';
    if (!control.signal.aborted) showFailure(error);
  } finally {
    device?.destroy();
    running = undefined;
    showRunning(false);
  }
}

async function measure(device: GPUDevice, model: BenchmarkModel, signal: AbortSignal): Promise<void> {
  const capabilities = await probeCapabilities(device);
  const quick = page.quick.checked;
  page.status.textContent = 'Looking for the ceilings of this GPU …';
  const meter = await CeilingMeter.create(device, capabilities, { quick, few: FEW, signal });
  const options: BenchmarkOptions = {
    quick,
    signal,
    budgetMs: quick ? 15_000 : 60_000,
    memory: memoryProbe(),
    onProgress: (what) => {
      page.status.textContent = `${what} …`;
    },
  };
  const result = await benchmarkModel(device, capabilities, meter, model, options);
  const { vendor, architecture, device: name, description } = device.adapterInfo;
  const adapter = { vendor, architecture, device: name, description };
  const environment = navigator.userAgent;
  const models = [...(report?.models ?? []).filter((own) => own.model !== result.model), result];
  report = reportOf({ adapter, environment, capabilities, ceilings: meter.ceilings, models });
  showReport(report, await otherReports());
}

/** Only Chromium tells, and only roughly. */
function memoryProbe(): BenchmarkOptions['memory'] {
  const { memory } = performance as { memory?: { usedJSHeapSize: number } };
  return (
    memory && { used: () => (performance as unknown as { memory: typeof memory }).memory.usedJSHeapSize }
  );
}

// ---- What is shown -------------------------------------------------------------------------------------------------

function showRunning(isRunning: boolean): void {
  const focused = document.activeElement;
  page.run.hidden = isRunning;
  page.stop.hidden = !isRunning;
  page.model.disabled = page.quick.disabled = isRunning;
  if (focused === page.run) page.stop.focus();
  else if (focused === page.stop || focused === document.body) page.run.focus();
}

function showFailure(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  page.alert.replaceChildren(create('div', { class: 'notice' }, create('p', { text: message })));
}

function showReport(shown: Report, others: readonly Report[]): void {
  const sections = shown.models.toReversed().map((model) => modelSection(shown.adapter, model, others));
  page.results.replaceChildren(...sections);
  page.json.value = JSON.stringify(shown, null, 2);
  page.jsonSection.hidden = false;
}

// ---- Wiring --------------------------------------------------------------------------------------------------------

page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (running) return;
  if (page.model.value === FILE) page.file.click();
  else void run();
});
page.file.addEventListener('change', () => {
  const file = page.file.files?.[0];
  page.file.value = '';
  if (file) void run(file);
});
page.stop.addEventListener('click', () => running?.abort());

async function copyJson(): Promise<void> {
  try {
    await navigator.clipboard.writeText(page.json.value);
    page.status.textContent = 'Copied.';
  } catch {
    // Without leave to write to the clipboard: the text is selected, to be copied by hand.
    page.json.select();
    page.status.textContent = 'Press Ctrl+C to copy.';
  }
}
page.copy.addEventListener('click', () => void copyJson());

function downloadJson(): void {
  if (!report) return;
  const url = URL.createObjectURL(new Blob([`${page.json.value}\n`], { type: 'application/json' }));
  const link = create('a');
  link.href = url;
  link.download = `${adapterSlug(report.adapter)}.json`;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  page.status.textContent = `Saved as ${link.download}.`;
}
page.download.addEventListener('click', downloadJson);

fillModels();
