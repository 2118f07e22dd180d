// Rounds of the soak: some actions at once, and one thing that befalls the engine meanwhile.

import { loadModel, TernionError, type Engine, type LoadOptions } from '../../src/inline';
import { Draw } from '../fuzz/draw';
import { describe } from '../fuzz/examine';
import { ACTIONS, noActions, type Stage } from './actions';
import type { CountedDevice, SoakGpu } from './device';
import { loadFromServer } from './faults';
import { memoryNow } from './memory';
import { askUndisturbed, type Known, type readQuestions, type SoakModel } from './models';
import type { Sample } from './trend';

/** What befell engines. */
export interface RoundFigures {
  rounds: number;
  loads: number;
  /** Loads that a signal ended. */
  abortedLoads: number;
  /** Requests with which something went wrong at the server, and loads that failed of it. */
  serverFaults: number;
  failedLoads: number;
  /** Devices that were taken away; the engine heals. */
  lostDevices: number;
  suspensions: number;
  /** Devices that were destroyed with their engine, in good order. */
  renewedDevices: number;
}

/** What can befall the engine in a round. Nothing, mostly: that is when answers are compared to their end. */
const EVENTS = [
  'nothing',
  'nothing',
  'nothing',
  'load',
  'server',
  'abort',
  'lose',
  'suspend',
  'renew',
] as const;

/** So long that answers and conversations fit, and so short that a session's cache is small. */
const CONTEXT = 512;
/** Actions that one round does at once, at most. */
const AT_ONCE = 4;

interface Running {
  /** The devices that the engine was given, one after the other. */
  devices: readonly CountedDevice[];
  engine: Engine;
  model: SoakModel;
  /** Whether the model can be had again: a server that it came from is there no more. */
  isAtHand: boolean;
}

/** Does rounds, one after the other, on one engine at a time. */
export class Rounds {
  readonly figures: RoundFigures = {
    rounds: 0,
    loads: 0,
    abortedLoads: 0,
    serverFaults: 0,
    failedLoads: 0,
    lostDevices: 0,
    suspensions: 0,
    renewedDevices: 0,
  };
  readonly actions = noActions();
  /** What was wrong, in words. */
  readonly findings: string[] = [];
  /** What is going on, for when it never ends. */
  doing = 'nothing';
  readonly #known = new Map<string, Known>();
  #running: Running | undefined;

  constructor(
    private readonly gpu: SoakGpu,
    private readonly models: readonly SoakModel[],
    private readonly questions: Awaited<ReturnType<typeof readQuestions>>,
    private readonly seed: number,
    /** The number of the first round. */
    private readonly from: number,
  ) {}

  /** Does the next round. What goes wrong in it is a finding, and the next one begins with a new engine. */
  async next(): Promise<void> {
    const round = this.from + this.figures.rounds++;
    const draw = Draw.of(this.seed, 'soak', round);
    try {
      this.doing = `round ${round}: an engine`;
      const running = (this.#running ??= await this.#start(draw.pick(this.models)));
      await this.#round(running, draw, round);
      this.#collectErrors(running);
    } catch (error) {
      this.#finding(`round ${round}`, error);
      await this.#abandon();
    }
  }

  /** The memory of this moment, in which no session is open. */
  async sample(at: number): Promise<Sample> {
    const { bytes = 0, buffers = 0 } = this.#running?.devices.at(-1) ?? {};
    return { at, ...(await memoryNow()), gpuBytes: bytes, gpuBuffers: buffers };
  }

  /** Ends the engine, and its device. */
  async end(): Promise<void> {
    try {
      if (this.#running) await this.#dispose(this.#running);
    } catch (error) {
      this.#finding('the end', error);
    }
  }

  async #start(model: SoakModel): Promise<Running> {
    this.figures.loads++;
    // The first device is asked for once, and each of the others when the one before it was lost.
    const devices: CountedDevice[] = [];
    const open = async (): Promise<GPUDevice> => {
      const device = await this.gpu.open();
      devices.push(device);
      return device.device;
    };
    const engine = await loadModel(asSource(model), { device: open, ...LOAD });
    const running = { devices, engine, model, isAtHand: true };
    await this.#learn(running);
    return running;
  }

  /** Asks a model what it says undisturbed, the first time that it is there. */
  async #learn({ engine, model }: Running): Promise<void> {
    if (this.#known.has(model.name)) return;
    this.doing = `what ${model.name} says undisturbed`;
    this.#known.set(model.name, await askUndisturbed(engine, this.questions));
  }

  async #round(running: Running, draw: Draw, round: number): Promise<void> {
    const event = draw.pick(EVENTS);
    let disturbed = false;
    const lost = event === 'lose' || event === 'suspend';
    if (lost && !running.isAtHand) await this.#load(running, running.model);
    const stage: Omit<Stage, 'draw'> = {
      engine: running.engine,
      known: this.#known.get(running.model.name)!,
      figures: this.actions,
      isDisturbed: () => disturbed,
      lostDevice: () => lost,
    };
    const names = draw.many(2, AT_ONCE, () => draw.pick(Object.keys(ACTIONS)));
    this.doing = `round ${round}: ${names.join(', ')}; ${event}`;
    const work = names.map((name, i) =>
      this.#act(name, { ...stage, draw: Draw.of(this.seed, `round ${round}`, i) }, event),
    );
    if (event === 'nothing' || event === 'renew') {
      await Promise.all(work);
      if (event === 'renew') await this.#renew(running);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, draw.below(400)));
    if (event === 'lose' || event === 'suspend') {
      await (event === 'lose' ? this.#lose(running, work) : this.#suspend(running, work));
      return;
    }
    disturbed = true;
    await this.#disturb(event, running, draw);
    await Promise.all(work);
  }

  async #act(name: string, stage: Stage, event: string): Promise<void> {
    this.actions.actions++;
    try {
      await ACTIONS[name]!(stage);
    } catch (error) {
      if (stage.isDisturbed() && endsWith(error, event)) this.actions.interrupted++;
      else this.#finding(`${this.doing}, in ${name}`, error);
    }
  }

  async #disturb(event: 'load' | 'server' | 'abort', running: Running, draw: Draw): Promise<void> {
    const model = draw.pick(this.models);
    const single = this.models.filter(({ source }) => source instanceof Uint8Array);
    this.figures.loads++;
    if (event === 'load') return this.#load(running, model);
    if (event === 'server') {
      const wanted = draw.pick(single);
      const { loaded, faults } = await loadFromServer(running.engine, wanted, draw, LOAD);
      this.figures.serverFaults += faults;
      if (loaded) return this.#loaded(running, wanted, false);
      this.figures.failedLoads++;
    } else {
      await this.#abortLoad(running, model, draw);
    }
    await this.#load(running, model);
  }

  async #load(running: Running, model: SoakModel): Promise<void> {
    await running.engine.load(asSource(model), LOAD);
    await this.#loaded(running, model);
  }

  async #loaded(running: Running, model: SoakModel, isAtHand = true): Promise<void> {
    running.model = model;
    running.isAtHand = isAtHand;
    await this.#learn(running);
  }

  async #abortLoad({ engine }: Running, model: SoakModel, draw: Draw): Promise<void> {
    const aborted = new AbortController();
    const load = engine.load(asSource(model), { ...LOAD, signal: aborted.signal });
    setTimeout(() => aborted.abort(), draw.below(1000));
    await load.catch((error: unknown) => {
      if (!endsWith(error, 'abort')) throw error;
      this.figures.abortedLoads++;
    });
  }

  /** The device goes away amid the work, and all of it goes on on another one; nothing stays on the one that is gone. */
  async #lose(running: Running, work: readonly Promise<void>[]): Promise<void> {
    const device = running.devices.at(-1)!;
    await device.destroy();
    await Promise.all(work);
    await this.#expectHealed(running);
    this.figures.lostDevices++;
    if (running.devices.at(-1) === device) throw new Error('The engine asked for no other device');
    if (device.buffers > 0)
      throw new Error(`The engine left ${device.buffers} buffers on a device that is gone`);
  }

  /** The engine gives the GPU back amid the work, which goes on when it has it again. */
  async #suspend(running: Running, work: readonly Promise<void>[]): Promise<void> {
    await running.engine.suspend();
    await running.engine.resume();
    await Promise.all(work);
    await this.#expectHealed(running);
    this.figures.suspensions++;
  }

  async #expectHealed({ engine, model }: Running): Promise<void> {
    const { logits } = this.#known.get(model.name)!;
    const values = await engine.nextLogits(logits.tokenIds);
    if (values.some((value, i) => value !== logits.values[i]))
      throw new Error('On the next device the logits are others');
  }

  async #renew(running: Running): Promise<void> {
    this.figures.renewedDevices++;
    await this.#dispose(running);
  }

  /** Ends an engine; nothing of it may stay on the device. */
  async #dispose(running: Running): Promise<void> {
    const { engine } = running;
    const device = running.devices.at(-1)!;
    this.#running = undefined;
    await engine.dispose();
    const { buffers, bytes } = device;
    await device.destroy();
    this.#collectErrors(running);
    if (buffers > 0) throw new Error(`The engine left ${buffers} buffers (${bytes} bytes) on its device`);
  }

  #collectErrors({ devices }: Running): void {
    for (const message of devices.flatMap(({ errors }) => errors.splice(0)))
      this.findings.push(`an error that nobody captured: ${message}`);
  }

  async #abandon(): Promise<void> {
    const device = this.#running?.devices.at(-1);
    this.#running = undefined;
    await device?.destroy();
  }

  #finding(where: string, error: unknown): void {
    const words = `${where}: ${describe(error)}`;
    this.findings.push(words);
    console.error(`\nFINDING in ${words}`);
  }
}

/** Variants as the device suggests them, so that all answers of a model are of the same ones. */
const LOAD: LoadOptions = { tuning: false, contextLength: CONTEXT };

function asSource({ source }: SoakModel): Uint8Array | readonly File[] {
  return source;
}

/** Whether a failure is what an event brings about. */
function endsWith(error: unknown, event: string): boolean {
  if (!(error instanceof TernionError)) return false;
  return error.code === 'disposed' || (event === 'abort' && error.code === 'aborted');
}
