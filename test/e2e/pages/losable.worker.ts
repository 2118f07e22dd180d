// Ternion's worker, which keeps the device that it was given, so that a page can have it lost at any moment.
// Not by importing quick.worker: package.json says that modules have no effect but their exports, so a bundler leaves such an import out.
import { expose } from 'comlink';
import { QuickEndpoint } from './quick-endpoint';

/** What the page orders, besides Comlink's messages. Each order is answered with `'lost'` once a device was lost. */
export type Order = 'lose' | { loseAtSubmit: number };

expose(new QuickEndpoint());

let device: GPUDevice | undefined;
let submitsLeft = Infinity;

function watch(made: GPUDevice): GPUDevice {
  device = made;
  const submit = made.queue.submit.bind(made.queue);
  made.queue.submit = (commands) => {
    const result = submit(commands);
    submitsLeft--;
    if (submitsLeft === 0) made.destroy();
    return result;
  };
  void made.lost.then(() => postMessage('lost'));
  return made;
}

const { gpu } = navigator;
const requestAdapter = gpu.requestAdapter.bind(gpu);
gpu.requestAdapter = async (options) => {
  const adapter = await requestAdapter(options);
  if (!adapter) return null;
  const requestDevice = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => watch(await requestDevice(descriptor));
  return adapter;
};

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data === 'lose') device?.destroy();
  else if (typeof data === 'object' && 'loseAtSubmit' in data) submitsLeft = data.loseAtSubmit;
});
