// Devices for the soak, one at a time, whose buffers are counted.

import { create, globals } from 'webgpu';
import { requestDevice } from '../../src/gpu/capabilities';

/** The GPU of the process. One Dawn for all devices: it aborts if it is collected while something of it is in use. */
export class SoakGpu {
  readonly #gpu: GPU;
  /** Devices made so far. */
  devices = 0;

  constructor() {
    // GPUBufferUsage and its like are globals in a browser.
    Object.assign(globalThis, globals);
    this.#gpu = create([]);
    Object.assign(globalThis, { ternionSoakGpu: this.#gpu });
  }

  async open(): Promise<CountedDevice> {
    this.devices++;
    return new CountedDevice(await requestDevice(this.#gpu));
  }
}

/** A device and what is alive on it. */
export class CountedDevice {
  /** Bytes of buffers that were made and not destroyed. */
  bytes = 0;
  buffers = 0;
  /** Errors that nobody captured. */
  readonly errors: string[] = [];

  constructor(readonly device: GPUDevice) {
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      this.errors.push(event.error.message);
    });
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => this.#counted(createBuffer(descriptor));
  }

  /** Takes the device away, as a driver that is reset does; resolves when it is gone. */
  async destroy(): Promise<void> {
    this.device.destroy();
    await this.device.lost;
  }

  #counted(buffer: GPUBuffer): GPUBuffer {
    const { size } = buffer;
    this.bytes += size;
    this.buffers++;
    const destroy = buffer.destroy.bind(buffer);
    let isLive = true;
    buffer.destroy = () => {
      if (isLive) {
        this.bytes -= size;
        this.buffers--;
      }
      isLive = false;
      return destroy();
    };
    return buffer;
  }
}
