// The devices that an engine runs on, one after the other: where one is lost, another takes its place if there can be one.

import { TernionError } from '../errors';
import { browserGpu, requestDevice } from './capabilities';
import { whenLost } from './device-loss';
import type { DeviceOption, WebGpu } from './given-device';
import { PipelineCache } from './pipeline-cache';

/** One device at a time. Those that it asks WebGPU for are its own; those of a caller stay the caller's. */
export class DeviceSupply {
  /** The device that is there, or on its way. */
  #device: Promise<GPUDevice> | undefined;
  /** What was compiled on each, for as long as it is there. */
  readonly #pipelines = new WeakMap<GPUDevice, PipelineCache>();

  /** `given` is the caller's; without it `gpu` is asked, which is the browser's by default. */
  constructor(
    private readonly given?: DeviceOption,
    private readonly gpu?: WebGpu,
  ) {}

  /** Whether there can be another device when one is lost. */
  get renewable(): boolean {
    return this.given === undefined || typeof this.given === 'function';
  }

  /** The device that is there, or a new one. Rejects with `webgpu-unavailable`. */
  get(): Promise<GPUDevice> {
    if (this.#device) return this.#device;
    const device = this.#request();
    this.#device = device;
    // One that is lost is asked for no more, nor is one that never came.
    device.then(
      (each) => whenLost(each, this, DeviceSupply.#forgetting(device)),
      () => this.#forget(device),
    );
    return device;
  }

  /** What the last model on `device` had compiled, for the next one. */
  pipelines(device: GPUDevice): PipelineCache {
    const known = this.#pipelines.get(device);
    known?.renew();
    const cache = known ?? new PipelineCache(device);
    this.#pipelines.set(device, cache);
    return cache;
  }

  /** The device that was got last is of no more use: it was lost. */
  discard(): void {
    this.#device = undefined;
  }

  /** Gives the device back: one of its own is destroyed, even if it is still on its way. The next `get` asks for another. */
  release(): void {
    const device = this.#device;
    if (this.given !== undefined || !device) return;
    this.#device = undefined;
    device.then(
      (each) => each.destroy(),
      () => {},
    );
  }

  /** Made here, where there is no `this` that it would keep: see `whenLost`. */
  static #forgetting(device: Promise<GPUDevice>): (supply: DeviceSupply) => void {
    return (supply) => supply.#forget(device);
  }

  #forget(device: Promise<GPUDevice>): void {
    if (this.#device === device) this.#device = undefined;
  }

  async #request(): Promise<GPUDevice> {
    const { given } = this;
    if (given === undefined) return requestDevice((this.gpu as GPU | undefined) ?? browserGpu());
    if (typeof given !== 'function') return given as GPUDevice;
    let device: Partial<GPUDevice> | undefined;
    try {
      device = (await given()) as Partial<GPUDevice> | undefined;
      if (device?.queue && device.limits && device.features) return device as GPUDevice;
    } catch (cause) {
      throw new TernionError('webgpu-unavailable', 'The function that gives the device failed.', { cause });
    }
    throw new TernionError('webgpu-unavailable', 'The function that gives the device gave none.');
  }
}
